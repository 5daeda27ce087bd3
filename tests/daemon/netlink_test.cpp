// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/netlink.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/generation.h"
#include "daemon/nflog.h"
#include "tests/daemon/kernel.h"

namespace drywall {
namespace {

constexpr const char* comment = "generation 7 of the test";
const RuleTag tag{World::enforced, LegPoint::host, Direction::egress, Action::allow, 0x1234};

/// `ip drywall` and `ip6 drywall`: each packet that leaves counts, and is logged to the group, in one leaf.
Ruleset counting(std::uint16_t group) {
  Ruleset ruleset;
  for (const Family family : both_families) {
    Table table;
    table.family = family;
    NftRule<Stance::enforce> count;
    count.counter = true;
    count.end = Continue{};
    NftRule<Stance::enforce> log;
    log.log = Nflog{to_string(tag), group, 128};
    log.end = Return{};
    Chain<Stance::enforce> leaf{{to_string(tag)}, std::nullopt, {count, log}};
    NftRule<Stance::enforce> jump;
    jump.end = Jump<Stance::enforce>{{to_string(tag)}};
    Chain<Stance::enforce> base{{"output"}, BaseHook{Hook::output, 0}, {jump}};
    table.enforce.chains = {leaf, base};
    ruleset.tables.push_back(std::move(table));
  }
  return ruleset;
}

/// A UDP packet to this host itself, which somebody receives: nothing is sent in return.
void send_packet() {
  const int receiver = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(9999);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(receiver, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  ASSERT_EQ(sendto(sender, "hello", 5, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to), 5);
  close(sender);
  close(receiver);
}

class Nft : public testing::Kernel {
 protected:
  void SetUp() override {
    Kernel::SetUp();
    Result<NftSocket> opened = NftSocket::open();
    ASSERT_TRUE(opened) << to_string(opened.error());
    socket_.emplace(std::move(*opened));
    ASSERT_TRUE(apply({}));
  }
  tl::expected<void, Refusal> apply(const Ruleset& ruleset) {
    const Transaction transaction = encode_replacement(
        ruleset, {.first_sequence = socket_->next_sequence(), .acks_end = socket_->acks_end(), .generation = comment});
    TableComments expected;
    for (const Table& table : ruleset.tables) (table.family == Family::v4 ? expected.v4 : expected.v6) = comment;
    return socket_->apply(transaction, expected);
  }
  std::optional<NftSocket> socket_;
};

TEST_F(Nft, HoldsWhatWasAppliedAndItsComment) {
  EXPECT_EQ(socket_->read_comments().value(), TableComments{});
  ASSERT_TRUE(apply(counting(100)));
  EXPECT_EQ(socket_->read_comments().value(), (TableComments{comment, comment}));
  ASSERT_TRUE(apply({}));
  EXPECT_EQ(socket_->read_comments().value(), TableComments{});
}

TEST_F(Nft, CountsByTag) {
  ASSERT_TRUE(apply(counting(100)));
  EXPECT_EQ(socket_->read_counts().value().rules, (RuleCounts{{tag, {0, 0}}}));
  send_packet();
  send_packet();
  EXPECT_EQ(socket_->read_counts().value().rules, (RuleCounts{{tag, {2, 2 * (20 + 8 + 5)}}}));
}

TEST_F(Nft, CountsTheSameOfABigTableChainByChain) {
  Ruleset ruleset = counting(100);
  NftRule<Stance::enforce> unlogged;
  unlogged.counter = true;
  unlogged.end = Return{};
  unlogged.comment = limited_comment;
  NftRule<Stance::enforce> filler;
  filler.end = Return{};
  for (Table& table : ruleset.tables) {
    const Chain<Stance::enforce> leaf = table.enforce.chains[0];
    Chain<Stance::enforce> base = table.enforce.chains[1];
    NftRule<Stance::enforce> jump;
    jump.end = Jump<Stance::enforce>{{"unlogged"}};
    base.rules.push_back(jump);
    table.enforce.chains = {
        leaf, {{"unlogged"}, std::nullopt, {unlogged}}, {{"filler"}, std::nullopt, std::vector(10'000, filler)}, base};
  }
  ASSERT_TRUE(apply(ruleset));
  send_packet();
  KernelCounts all = socket_->read_counts().value();
  EXPECT_EQ(all.limited, 1U);
  const KernelCounts by_chain = socket_->read_counts(ruleset).value();
  EXPECT_LT(by_chain.loaded, 100U);
  all.loaded = by_chain.loaded;
  EXPECT_EQ(by_chain, all);
  const KernelCounts unlogged_only = socket_->read_unlogged(ruleset).value();
  EXPECT_EQ(unlogged_only.limited, 1U);
  EXPECT_TRUE(unlogged_only.rules.empty());
}

TEST_F(Nft, CountsNothingOfChainsThatAreGone) {
  ASSERT_TRUE(apply(counting(100)));
  EXPECT_EQ(socket_->read_unlogged(counting(100)).value(), KernelCounts{});
  ASSERT_TRUE(apply({}));
  EXPECT_EQ(socket_->read_counts(counting(100)).value(), KernelCounts{});
}

TEST_F(Nft, HasNoCountsWithoutTables) {
  EXPECT_EQ(socket_->read_counts().value(), KernelCounts{});
}

TEST_F(Nft, BlamesTheMessageThatTheKernelRefusesAndKeepsTheOldRules) {
  ASSERT_TRUE(apply(counting(100)));
  Ruleset broken = counting(200);
  NftRule<Stance::enforce> jump;
  jump.end = Jump<Stance::enforce>{{"missing"}};
  jump.at = {"web.yaml", 12, 3};
  broken.tables[1].enforce.chains.edit(1, [&](Chain<Stance::enforce>& chain) { chain.rules.push_back(jump); });
  const auto applied = apply(broken);
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().failure.error, ENOENT);
  EXPECT_EQ(to_string(applied.error().origin.at), "web.yaml:12:3");
  EXPECT_EQ(socket_->read_comments().value(), (TableComments{comment, comment}));
}

class OwnedTables : public Nft {
 protected:
  void SetUp() override {
    Nft::SetUp();
    if (!socket_->offers_owner()) GTEST_SKIP() << "this kernel has no tables of one owner that stay (it is before 6.9)";
  }
  void TearDown() override {
    if (socket_ && socket_->offers_owner()) replace(*socket_, {}, TableOwner::sender, TableOwner::anybody);
  }
  static tl::expected<void, Refusal> replace(NftSocket& socket, const Ruleset& ruleset, TableOwner held,
                                             TableOwner owner) {
    const bool any = !ruleset.tables.empty();
    return socket.apply(encode_replacement(ruleset, {.first_sequence = socket.next_sequence(),
                                                     .acks_end = socket.acks_end(),
                                                     .generation = comment,
                                                     .owner = owner,
                                                     .held = {held, held}}),
                        any ? TableComments{comment, comment} : TableComments{});
  }
  static constexpr std::uint32_t owned = owner_flag | persist_flag;
  static TableFlags both(std::uint32_t flags) { return {flags, flags}; }
};

TEST_F(OwnedTables, NobodyElseChangesOrFlushes) {
  ASSERT_TRUE(replace(*socket_, counting(100), TableOwner::anybody, TableOwner::sender));
  EXPECT_EQ(socket_->read_flags().value(), both(owned));
  NftSocket other = NftSocket::open().value();
  const auto refused = replace(other, {}, TableOwner::sender, TableOwner::anybody);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().failure.error, EPERM);
  ASSERT_EQ(std::system("nft flush ruleset"), 0);
  EXPECT_EQ(socket_->read_comments().value(), (TableComments{comment, comment}));
}

TEST_F(OwnedTables, StayWhenTheirOwnerIsGoneAndAreTakenOverUntouched) {
  ASSERT_TRUE(replace(*socket_, counting(100), TableOwner::anybody, TableOwner::sender));
  send_packet();
  socket_.emplace(NftSocket::open().value());
  EXPECT_EQ(socket_->read_flags().value(), both(persist_flag));
  const Transaction adoption =
      encode_adoption({Family::v4, Family::v6},
                      {.first_sequence = socket_->next_sequence(), .acks_end = socket_->acks_end(), .generation = {}});
  ASSERT_TRUE(socket_->apply(adoption, {comment, comment}));
  EXPECT_EQ(socket_->read_flags().value(), both(owned));
  EXPECT_EQ(socket_->read_counts().value().rules[tag].packets, 1U);
}

TEST_F(OwnedTables, AreReplacedByWhomeverTheyWereLeftTo) {
  for (const TableOwner owner : {TableOwner::sender, TableOwner::anybody}) {
    ASSERT_TRUE(replace(*socket_, counting(100), TableOwner::anybody, TableOwner::sender));
    socket_.emplace(NftSocket::open().value());
    ASSERT_TRUE(replace(*socket_, counting(200), TableOwner::sender, owner));
    EXPECT_EQ(socket_->read_flags().value(), both(flags_of(owner)));
    ASSERT_TRUE(replace(*socket_, {}, owner, TableOwner::anybody));
  }
}

TEST_F(Nft, TakesOrRefusesALargeBatchWhole) {
  Ruleset large = counting(100);
  NftRule<Stance::enforce> rule;
  rule.matches = {FieldIs{Field::l4_protocol, Compare::equal, {}, {6}}};
  rule.counter = true;
  rule.end = Continue{};
  rule.comment = "one of many";
  large.tables[0].enforce.chains.edit(
      0, [&](Chain<Stance::enforce>& chain) { chain.rules.insert(chain.rules.end(), 20'000, rule); });
  const auto applied = apply(large);
  if (applied) {
    EXPECT_EQ(socket_->read_comments().value(), (TableComments{comment, comment}));
  } else {  // without CAP_NET_ADMIN in the first user namespace the socket cannot be made large enough
    EXPECT_NE(applied.error().failure.detail.find("net.core.wmem_max"), std::string::npos);
    EXPECT_EQ(socket_->read_comments().value(), TableComments{});
  }
}

TEST(TableComment, IsReadFromUserData) {
  const auto bytes = [](std::string_view text) { return std::as_bytes(std::span(text)); };
  EXPECT_EQ(comment_of(bytes(std::string_view("\0\3ab\0", 5)), 0), "ab");
  EXPECT_EQ(comment_of(bytes(std::string_view("\1\1x\0\3ab\0", 8)), 0), "ab");
  EXPECT_EQ(comment_of(bytes(""), 0), "");
  EXPECT_EQ(comment_of(bytes(std::string_view("\0\377ab", 4)), 0), "");
  EXPECT_EQ(comment_of(bytes(std::string_view("\0", 1)), 0), "");
}

class NflogGroup : public Nft {
 protected:
  struct Seen {
    std::vector<LoggedPacket> packets;
    std::uint32_t lost = 0;
    std::size_t undecodable = 0;
  };
  static Seen drain(NflogReader& reader) {
    Seen seen;
    for (int i = 0; i < 50 && seen.packets.empty(); ++i) {
      usleep(20'000);  // the kernel gathers logs for 100 ms
      const auto drained = reader.drain(Timestamp{}, [&](const NflogReader::Event& event) {
        if (const auto* packet = std::get_if<LoggedPacket>(&event)) seen.packets.push_back(*packet);
        if (const auto* lost = std::get_if<NflogReader::Lost>(&event)) seen.lost += lost->messages;
        if (std::holds_alternative<NflogReader::Undecodable>(event)) ++seen.undecodable;
      });
      EXPECT_TRUE(drained);
    }
    return seen;
  }
};

TEST_F(NflogGroup, DeliversEachPacketWithItsTag) {
  ASSERT_TRUE(apply(counting(100)));
  Result<NflogReader> reader = NflogReader::open(100);
  ASSERT_TRUE(reader) << to_string(reader.error());
  send_packet();
  send_packet();
  const Seen seen = drain(*reader);
  ASSERT_EQ(seen.packets.size(), 2U);
  EXPECT_EQ(seen.packets[0].tag, tag);
  EXPECT_EQ(seen.packets[0].headers.packet.destination_port, 9999);
  EXPECT_EQ(seen.packets[1].sequence.value(), seen.packets[0].sequence.value() + 1);
  EXPECT_EQ(seen.lost, 0U);
  EXPECT_GT(reader->receive_buffer(), 0U);
}

TEST_F(NflogGroup, ThatAnotherHasIsRefusedWithTheKeyToSet) {
  const Result<NflogReader> first = NflogReader::open(101);
  ASSERT_TRUE(first);
  const Result<NflogReader> second = NflogReader::open(101);
  ASSERT_FALSE(second);
  EXPECT_NE(to_string(second.error()).find("nflog_group"), std::string::npos) << to_string(second.error());
}

TEST_F(NflogGroup, IsFreeAgainWhenTheReaderIsGone) {
  { ASSERT_TRUE(NflogReader::open(102)); }
  EXPECT_TRUE(NflogReader::open(102));
}

}  // namespace
}  // namespace drywall
