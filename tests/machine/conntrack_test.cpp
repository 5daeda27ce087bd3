// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/conntrack.h"

#include <gtest/gtest.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <functional>

#include "tests/daemon/kernel.h"

namespace drywall {
namespace {

using Bytes = std::vector<std::byte>;

Address address(const char* text) {
  return parse_address(text).value();
}

ConntrackTuple tcp(const char* source, std::uint16_t source_port, const char* destination,
                   std::uint16_t destination_port) {
  return {address(source), address(destination), protocol::tcp, source_port, destination_port, 0, 0, 0};
}

ConntrackTuple reversed(ConntrackTuple tuple) {
  std::swap(tuple.source, tuple.destination);
  std::swap(tuple.source_port, tuple.destination_port);
  return tuple;
}

// Hand-made messages

void put_tuple(NetlinkRequest& message, std::uint16_t type, const ConntrackTuple& tuple) {
  const bool v4 = tuple.source.family == Family::v4;
  message.nest(type, [&] {
    message.nest(CTA_TUPLE_IP, [&] {
      message.put(v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, to_bytes(tuple.source));
      message.put(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, to_bytes(tuple.destination));
    });
    message.nest(CTA_TUPLE_PROTO, [&] {
      message.put8(CTA_PROTO_NUM, tuple.protocol.number);
      if (tuple.protocol == protocol::icmpv6) {
        message.put_big16(CTA_PROTO_ICMPV6_ID, tuple.icmp_id);
        message.put8(CTA_PROTO_ICMPV6_TYPE, tuple.icmp_type);
        message.put8(CTA_PROTO_ICMPV6_CODE, tuple.icmp_code);
      } else {
        message.put_big16(CTA_PROTO_SRC_PORT, tuple.source_port);
        message.put_big16(CTA_PROTO_DST_PORT, tuple.destination_port);
      }
    });
  });
}

NetlinkRequest empty_message(int type = IPCTNL_MSG_CT_NEW) {
  NetlinkRequest message(static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type), 0);
  const nfgenmsg header{AF_INET, NFNETLINK_V0, 0};
  message.put_header(&header, sizeof header);
  return message;
}

Bytes bytes_of(const NetlinkRequest& message) {
  return {message.bytes().begin(), message.bytes().end()};
}

Bytes message(
    const ConntrackTuple& original, const ConntrackTuple& reply,
    const std::function<void(NetlinkRequest&)>& more = [](NetlinkRequest&) {}) {
  NetlinkRequest message = empty_message();
  put_tuple(message, CTA_TUPLE_ORIG, original);
  put_tuple(message, CTA_TUPLE_REPLY, reply);
  more(message);
  return bytes_of(message);
}

const ConntrackTuple out = tcp("10.0.0.1", 40000, "192.0.2.9", 443);
const ConntrackTuple back = tcp("192.0.2.9", 443, "203.0.113.1", 40001);  // the source was translated

TEST(DecodeConntrack, ReadsBothTuplesAsTheyAre) {
  const auto entry = decode_conntrack(message(out, back));
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->original, out);
  EXPECT_EQ(entry->reply, back);
  EXPECT_FALSE(entry->tcp_state || entry->original_count || entry->reply_count);
}

TEST(DecodeConntrack, ReadsIcmpOfIpv6) {
  const ConntrackTuple ping{address("fd00::1"), address("fd00::2"), protocol::icmpv6, 0, 0, 128, 0, 77};
  ConntrackTuple pong = reversed(ping);
  pong.icmp_type = 129;
  const auto entry = decode_conntrack(message(ping, pong));
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->original, ping);
  EXPECT_EQ(entry->reply, pong);
}

TEST(DecodeConntrack, ReadsStateAndNumbers) {
  const auto count = [](NetlinkRequest& message, std::uint16_t type, std::uint32_t packets, std::uint32_t bytes) {
    const std::uint64_t both[2] = {htobe64(packets), htobe64(bytes)};
    message.nest(type, [&] {
      message.put(CTA_COUNTERS_PACKETS, std::as_bytes(std::span(&both[0], 1)));
      message.put(CTA_COUNTERS_BYTES, std::as_bytes(std::span(&both[1], 1)));
    });
  };
  const auto entry = decode_conntrack(message(out, back, [&](NetlinkRequest& m) {
    m.put_big32(CTA_STATUS, IPS_SEEN_REPLY | IPS_CONFIRMED);
    m.put_big32(CTA_TIMEOUT, 432000);
    m.put_big32(CTA_MARK, 7);
    m.put_big32(CTA_ID, 0xdeadbeef);
    m.put_big16(CTA_ZONE, 3);
    m.nest(CTA_PROTOINFO, [&] { m.nest(CTA_PROTOINFO_TCP, [&] { m.put8(CTA_PROTOINFO_TCP_STATE, 3); }); });
    count(m, CTA_COUNTERS_ORIG, 5, 500);
    count(m, CTA_COUNTERS_REPLY, 6, 6000);
  }));
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->status, static_cast<std::uint32_t>(IPS_SEEN_REPLY | IPS_CONFIRMED));
  EXPECT_EQ(entry->timeout, 432000U);
  EXPECT_EQ(entry->mark, 7U);
  EXPECT_EQ(entry->id, 0xdeadbeef);
  EXPECT_EQ(entry->zone, 3U);
  EXPECT_EQ(entry->tcp_state, TcpState::established);
  EXPECT_EQ(entry->original_count, (ConntrackCount{5, 500}));
  EXPECT_EQ(entry->reply_count, (ConntrackCount{6, 6000}));
}

TEST(DecodeConntrack, KnowsNoStateThatTcpDoesNotHave) {
  const auto entry = decode_conntrack(message(out, back, [&](NetlinkRequest& m) {
    m.nest(CTA_PROTOINFO, [&] { m.nest(CTA_PROTOINFO_TCP, [&] { m.put8(CTA_PROTOINFO_TCP_STATE, 10); }); });
  }));
  ASSERT_TRUE(entry);
  EXPECT_FALSE(entry->tcp_state);
}

TEST(DecodeConntrack, RefusesAMessageCutAnywhere) {
  const Bytes whole = message(out, back);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto entry = decode_conntrack(std::span(whole).first(size));
    ASSERT_FALSE(entry) << size;
    EXPECT_EQ(entry.error(), ConntrackError::truncated) << size;
  }
}

TEST(DecodeConntrack, RefusesAnAttributeLongerThanWhatHoldsIt) {
  Bytes whole = message(out, back);
  whole[NLMSG_HDRLEN + sizeof(nfgenmsg)] = std::byte{0xff};  // the length of the first tuple
  EXPECT_EQ(decode_conntrack(whole).error(), ConntrackError::truncated);
}

TEST(DecodeConntrack, RefusesWhatIsNoConnection) {
  Bytes foreign = message(out, back);
  foreign[5] = std::byte{NFNL_SUBSYS_NFTABLES};
  EXPECT_EQ(decode_conntrack(foreign).error(), ConntrackError::not_conntrack);
  EXPECT_EQ(decode_conntrack(bytes_of(empty_message())).error(), ConntrackError::bad_tuple);
  EXPECT_EQ(decode_conntrack(message(out, tcp("fd00::1", 1, "fd00::2", 2))).error(), ConntrackError::bad_tuple);
  ConntrackTuple udp = reversed(out);
  udp.protocol = protocol::udp;
  EXPECT_EQ(decode_conntrack(message(out, udp)).error(), ConntrackError::bad_tuple);
}

// The real kernel

class ConntrackTable : public testing::Kernel {
 protected:
  void SetUp() override {
    Kernel::SetUp();
    Result<ConntrackSocket> opened = ConntrackSocket::open();
    ASSERT_TRUE(opened) << to_string(opened.error());
    socket_.emplace(std::move(*opened));
    const auto left = dump_conntrack();
    ASSERT_TRUE(left) << to_string(left.error());
    ASSERT_TRUE(socket_->remove(left->entries));
  }
  static std::vector<ConntrackEntry> held() {
    auto dump = dump_conntrack();
    EXPECT_TRUE(dump && dump->is_whole && dump->undecodable == 0);
    return dump ? dump->entries : std::vector<ConntrackEntry>{};
  }
  std::optional<ConntrackSocket> socket_;
};

ConntrackEntry established(const ConntrackTuple& original) {
  ConntrackEntry entry;
  entry.original = original;
  entry.reply = reversed(original);
  entry.status = IPS_SEEN_REPLY | IPS_ASSURED;
  entry.tcp_state = TcpState::established;
  entry.timeout = 1000;
  return entry;
}

TEST_F(ConntrackTable, HoldsWhatWasEnteredInBothFamilies) {
  const std::vector<ConntrackEntry> wanted{established(out), established(tcp("fd00::1", 1, "fd00::2", 2))};
  const auto answers = socket_->create(wanted);
  ASSERT_TRUE(answers) << to_string(answers.error());
  EXPECT_EQ(*answers, (std::vector<int>{0, 0}));
  const std::vector<ConntrackEntry> found = held();
  ASSERT_EQ(found.size(), 2U);
  for (const ConntrackEntry& want : wanted) {
    const auto same = std::ranges::find(found, want.original, &ConntrackEntry::original);
    ASSERT_NE(same, found.end());
    EXPECT_EQ(same->reply, want.reply);
    EXPECT_EQ(same->tcp_state, TcpState::established);
    EXPECT_EQ(same->status & (IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED),
              static_cast<std::uint32_t>(IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED));
    EXPECT_NEAR(same->timeout, 1000, 100);
    EXPECT_NE(same->id, 0U);
  }
}

TEST_F(ConntrackTable, TellsWhichConnectionItHasAlready) {
  ASSERT_EQ(socket_->create(std::vector{established(out)}).value(), std::vector<int>{0});
  const std::vector<ConntrackEntry> again{established(reversed(out)), established(tcp("10.0.0.1", 5, "10.0.0.2", 6))};
  EXPECT_EQ(socket_->create(again).value(), (std::vector<int>{EEXIST, 0}));
}

TEST_F(ConntrackTable, ForgetsThatVeryEntryAlone) {
  ASSERT_TRUE(socket_->create(std::vector{established(out), established(tcp("10.0.0.1", 5, "10.0.0.2", 6))}));
  std::vector<ConntrackEntry> entries = held();
  ASSERT_EQ(entries.size(), 2U);
  ConntrackEntry later = entries[0];
  later.id ^= 1U;
  EXPECT_EQ(socket_->remove(std::vector{later, entries[0], entries[0]}).value(), (std::vector<int>{ENOENT, 0, ENOENT}));
  ASSERT_EQ(held().size(), 1U);
  EXPECT_EQ(held()[0].original, entries[1].original);
}

TEST_F(ConntrackTable, IsReadWholeAndCutAtTheLimit) {
  std::vector<ConntrackEntry> many;
  for (std::uint16_t port = 1; port <= 3000; ++port) many.push_back(established(tcp("10.0.0.1", port, "10.0.0.2", 80)));
  ASSERT_TRUE(socket_->create(many));
  EXPECT_EQ(held().size(), 3000U);
  const auto some = dump_conntrack({.entries = 1000});
  ASSERT_TRUE(some);
  EXPECT_EQ(some->entries.size(), 1000U);
  EXPECT_FALSE(some->is_whole);
}

}  // namespace
}  // namespace drywall
