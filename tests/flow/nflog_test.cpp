// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "flow/logged_packet.h"
#include "tests/flow/nflog_bytes.h"

namespace drywall {
namespace {

using namespace test;

constexpr Timestamp received{std::chrono::seconds{1'790'000'000}};
const RuleTag tag{World::pending, LegPoint::host, Direction::ingress, Action::deny, 0x00c0ffee00c0ffee};

NflogMessage message() {
  NflogMessage made;
  made.prefix = "dw1pniD00c0ffee00c0ffee";
  made.packet = ipv4(protocol::tcp, "198.51.100.7", "192.0.2.1", tcp(40000, 80));
  made.in_interface = 2;
  return made;
}

TEST(DecodeNflog, ReadsTagPacketAndInterface) {
  const auto packet = decode_nflog(encode(message()), received);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->tag, tag);
  EXPECT_EQ(packet->headers.packet,
            (Packet{address("198.51.100.7"), address("192.0.2.1"), protocol::tcp, 40000, 80, 0, 0}));
  EXPECT_EQ(packet->headers.length, 40U);
  EXPECT_EQ(packet->hook, 1);
  EXPECT_EQ(packet->in_interface, 2U);
  EXPECT_EQ(packet->out_interface, 0U);
  EXPECT_EQ(packet->at, received);
  EXPECT_EQ(packet->uid, std::nullopt);
  EXPECT_EQ(packet->sequence, std::nullopt);
}

TEST(DecodeNflog, ReadsWhatTheKernelAddsAtOutput) {
  NflogMessage sent = message();
  sent.hook = 3;
  sent.in_interface = std::nullopt;
  sent.out_interface = 7;
  sent.mark = 0x80000001;
  sent.uid = 1000;
  sent.sequence = 0xffffffff;
  const auto packet = decode_nflog(encode(sent), received);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->hook, 3);
  EXPECT_EQ(packet->out_interface, 7U);
  EXPECT_EQ(packet->mark, 0x80000001U);
  EXPECT_EQ(packet->uid, 1000U);
  EXPECT_EQ(packet->sequence, 0xffffffffU);
}

TEST(DecodeNflog, KernelsTimestampWins) {
  NflogMessage sent = message();
  sent.seconds = 1'780'000'000;
  sent.microseconds = 250'001;
  EXPECT_EQ(decode_nflog(encode(sent), received)->at,
            Timestamp{std::chrono::seconds{1'780'000'000} + std::chrono::microseconds{250'001}});
}

TEST(DecodeNflog, TimestampThatCannotBeIsNotUsed) {
  NflogMessage sent = message();
  sent.seconds = ~std::uint64_t{0};
  EXPECT_EQ(decode_nflog(encode(sent), received)->at, received);
  sent.seconds = 1;
  sent.microseconds = 1'000'000;
  EXPECT_EQ(decode_nflog(encode(sent), received)->at, received);
}

TEST(DecodeNflog, ReadsIpv6) {
  NflogMessage sent = message();
  sent.protocol = 0x86dd;
  sent.packet = ipv6(17, "2001:db8::1", "2001:db8::2", udp(5353, 53));
  EXPECT_EQ(decode_nflog(encode(sent), received)->headers.packet,
            (Packet{address("2001:db8::1"), address("2001:db8::2"), protocol::udp, 5353, 53, 0, 0}));
}

TEST(DecodeNflog, UnknownAttributesAreSkipped) {
  Bytes bytes = encode(message());
  put_attribute(bytes, 999, Bytes(5));
  const auto size = static_cast<std::uint32_t>(bytes.size());
  std::memcpy(bytes.data(), &size, sizeof size);
  EXPECT_TRUE(decode_nflog(bytes, received));
}

TEST(DecodeNflog, EveryCutIsAnErrorAndNotACrash) {
  const Bytes whole = encode(message());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut{whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)};
    EXPECT_EQ(decode_nflog(cut, received).error(), NflogError::truncated) << size;
  }
}

TEST(DecodeNflog, EveryCutThatTheHeaderAdmitsIsAnErrorAndNotACrash) {
  const Bytes whole = encode(message());
  for (std::size_t size = NLMSG_HDRLEN; size < whole.size() - 20; ++size) {
    Bytes cut{whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)};
    const auto length = static_cast<std::uint32_t>(size);
    std::memcpy(cut.data(), &length, sizeof length);
    EXPECT_FALSE(decode_nflog(cut, received)) << size;
  }
}

TEST(DecodeNflog, OtherMessagesAreNotNflog) {
  NflogMessage sent = message();
  sent.type = NLMSG_DONE;
  EXPECT_EQ(decode_nflog(encode(sent), received).error(), NflogError::not_nflog);
}

TEST(DecodeNflog, OtherPeoplesPrefixesAreForeign) {
  for (const char* prefix : {"", "iptables: ", "dw1pniD00c0ffee00c0ffe", "dw1pniD00c0ffee00c0ffee0",
                             "dw1pniD00C0FFEE00C0FFEE", "dw2pniD00c0ffee00c0ffee", "dw1xniD00c0ffee00c0ffee",
                             "dw1pziD00c0ffee00c0ffee", "dw1pnxD00c0ffee00c0ffee", "dw1pniL00c0ffee00c0ffee"}) {
    NflogMessage sent = message();
    sent.prefix = prefix;
    EXPECT_EQ(decode_nflog(encode(sent), received).error(), NflogError::foreign_tag) << prefix;
  }
}

TEST(DecodeNflog, UnreadablePacketIsBad) {
  NflogMessage sent = message();
  sent.packet = Bytes(3);
  EXPECT_EQ(decode_nflog(encode(sent), received).error(), NflogError::bad_packet);
}

TEST(DecodeNflog, TagsOfEveryLegSurviveTheWay) {
  for (const World world : {World::enforced, World::pending}) {
    for (const LegPoint leg : {LegPoint::untracked, LegPoint::pre_dnat, LegPoint::host, LegPoint::forward,
                               LegPoint::workload, LegPoint::to_host}) {
      for (const Direction direction : {Direction::ingress, Direction::egress}) {
        for (const Action action : {Action::allow, Action::deny, Action::pass}) {
          const RuleTag sent{world, leg, direction, action, 0xfedcba9876543210};
          NflogMessage carrier = message();
          carrier.prefix = to_string(sent);
          EXPECT_EQ(decode_nflog(encode(carrier), received)->tag, sent);
        }
      }
    }
  }
}

TEST(SequenceCounter, FirstMessageSaysNothing) {
  EXPECT_EQ(SequenceCounter{}.lost_before(1000), 0U);
}

TEST(SequenceCounter, CountsWhatIsMissing) {
  SequenceCounter counter;
  (void)counter.lost_before(7);
  EXPECT_EQ(counter.lost_before(8), 0U);
  EXPECT_EQ(counter.lost_before(12), 3U);
  EXPECT_EQ(counter.lost_before(13), 0U);
}

TEST(SequenceCounter, WrapIsNoLoss) {
  SequenceCounter counter;
  (void)counter.lost_before(0xfffffffe);
  EXPECT_EQ(counter.lost_before(0xffffffff), 0U);
  EXPECT_EQ(counter.lost_before(0), 0U);
  EXPECT_EQ(counter.lost_before(2), 1U);
}

TEST(SequenceCounter, StepBackAndRepetitionAreNoLoss) {
  SequenceCounter counter;
  (void)counter.lost_before(500);
  EXPECT_EQ(counter.lost_before(0), 0U);
  EXPECT_EQ(counter.lost_before(0), 0U);
  EXPECT_EQ(counter.lost_before(2), 1U);
}

}  // namespace
}  // namespace drywall
