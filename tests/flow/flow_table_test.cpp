// SPDX-License-Identifier: GPL-2.0-or-later
#include "flow/flow_table.h"

#include <gtest/gtest.h>

#include "tests/flow/nflog_bytes.h"
#include "tests/flow/scene.h"

namespace drywall {
namespace {

using namespace test;

constexpr auto in = Direction::ingress;
constexpr auto out_of = Direction::egress;
constexpr std::uint8_t prerouting = 0;
constexpr std::uint8_t input = 1;
constexpr std::uint8_t forward = 2;
constexpr std::uint8_t output = 3;

/// A packet on its way through the host.
struct Sent {
  Packet packet;
  std::uint8_t hook = input;
  std::uint32_t in_interface = 2;
  std::uint32_t out_interface = 0;
  std::uint32_t length = 60;
  std::optional<std::uint32_t> tcp_sequence = 1;
};

Sent to_edge(std::uint16_t port, std::string_view source = "198.51.100.7", std::uint16_t source_port = 40000) {
  return {{address(source), address("192.0.2.1"), protocol::tcp, source_port, port, 0, 0}};
}
Sent from_a_to_b(std::uint16_t port) {
  Sent sent{{address("10.1.0.1"), address("10.1.0.2"), protocol::tcp, 40000, port, 0, 0}};
  sent.hook = forward;
  sent.in_interface = 3;
  sent.out_interface = 4;
  return sent;
}

struct Tag {
  LegPoint leg;
  Direction direction;
};
constexpr Tag host_in{LegPoint::host, in};
constexpr Tag host_out{LegPoint::host, out_of};
constexpr Tag untracked_in{LegPoint::untracked, in};
constexpr Tag forward_in{LegPoint::forward, in};
constexpr Tag workload_out{LegPoint::workload, out_of};
constexpr Tag workload_in{LegPoint::workload, in};

class FlowTableTest : public testing::Test {
 protected:
  explicit FlowTableTest(FlowTableLimits limits = {}) : table{at_ms(0), limits} { table.add_book(scene_book()); }

  void log(World world, Tag tag, Action action, RuleId id, const Sent& sent) {
    LoggedPacket packet;
    packet.at = at_ms(now);
    packet.tag = {world, tag.leg, tag.direction, action, id};
    packet.headers = {sent.packet, sent.length, false, sent.tcp_sequence};
    packet.hook = sent.hook;
    packet.in_interface = sent.in_interface;
    packet.out_interface = sent.out_interface;
    table.add(packet, interface_name);
  }
  void log(World world, Tag tag, Action action, const PolicyId& policy, std::int32_t rule, const Sent& sent) {
    log(world, tag, action, rule_id(policy, tag.direction, rule), sent);
  }

  // What the kernel logs of a tcp packet from 198.51.100.0/24 to port 80 of edge: allowed, the staged audit would deny
  // it.
  void log_audited(const Sent& sent) {
    log(World::pending, host_in, Action::pass, guard, 1, sent);
    log(World::pending, host_in, Action::deny, audit, 0, sent);
    log(World::enforced, host_in, Action::pass, guard, 1, sent);
    log(World::enforced, host_in, Action::allow, web, 0, sent);
  }

  void tick(std::int64_t milliseconds) {
    now = milliseconds;
    table.tick(at_ms(now));
  }
  [[nodiscard]] std::vector<FlowRecord> records() const { return table.records({}); }

  std::int64_t now = 0;
  FlowTable table;
};

std::vector<std::pair<std::string, int>> names(const Trace& trace) {
  std::vector<std::pair<std::string, int>> found;
  for (const TraceEntry& entry : trace) found.emplace_back(entry.name, entry.rule);
  return found;
}
using Names = std::vector<std::pair<std::string, int>>;

TEST_F(FlowTableTest, PairsBothTracesOfAnObservedLeg) {
  log_audited(to_edge(80));
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  const FlowRecord& record = found.front();
  EXPECT_EQ(record.action, Verdict::allow);
  EXPECT_EQ(record.pending_action, Verdict::deny);
  EXPECT_TRUE(record.differs());
  EXPECT_FALSE(record.predicted);
  EXPECT_FALSE(record.failsafe);
  EXPECT_EQ(names(record.enforced), (Names{{"security.guard", 1}, {"default.web", 0}}));
  EXPECT_EQ(names(record.pending), (Names{{"security.guard", 1}, {"default.audit", 0}}));
  EXPECT_EQ(record.endpoint, (EndpointId{EndpointKind::host, "", "edge"}));
  EXPECT_EQ(record.reporter, Reporter::destination);
  EXPECT_EQ(record.bucket, Bucket::normal);
  EXPECT_EQ(record.interface, "eth0");
  EXPECT_EQ(record.source.name, "partners");
  EXPECT_EQ(record.destination.name, "edge");
  EXPECT_EQ(record.destination_port, 80);
  EXPECT_EQ(record.protocol, protocol::tcp);
  EXPECT_EQ(record.icmp_type, std::nullopt);
  EXPECT_EQ(record.packets, 1U);
  EXPECT_EQ(record.bytes, 60U);
  EXPECT_EQ(record.connections_started, 1U);
  EXPECT_EQ(record.source_addresses, std::vector{address("198.51.100.7")});
  EXPECT_EQ(record.destination_addresses, std::vector{address("192.0.2.1")});
  EXPECT_EQ(record.start, at_ms(0));
  EXPECT_EQ(record.end, at_ms(0));
  EXPECT_EQ(table.counters().messages, 4U);
  EXPECT_EQ(table.counters().unassembled, 0U);
}

TEST_F(FlowTableTest, RecordIsThereOnlyWhenTheEnforcedTraceClosed) {
  const Sent sent = to_edge(80);
  log(World::pending, host_in, Action::pass, guard, 1, sent);
  log(World::pending, host_in, Action::deny, audit, 0, sent);
  log(World::enforced, host_in, Action::pass, guard, 1, sent);
  EXPECT_TRUE(records().empty());
  log(World::enforced, host_in, Action::allow, web, 0, sent);
  EXPECT_EQ(records().size(), 1U);
}

TEST_F(FlowTableTest, MessagesOfDifferentPacketsInterleave) {
  const Sent one = to_edge(80, "198.51.100.7");
  const Sent two = to_edge(80, "203.0.113.9");
  log(World::pending, host_in, Action::pass, guard, 1, one);
  log(World::pending, host_in, Action::pass, guard, 1, two);
  log(World::pending, host_in, Action::allow, web, 0, two);
  log(World::pending, host_in, Action::deny, audit, 0, one);
  log(World::enforced, host_in, Action::pass, guard, 1, two);
  log(World::enforced, host_in, Action::pass, guard, 1, one);
  log(World::enforced, host_in, Action::allow, web, 0, one);
  log(World::enforced, host_in, Action::allow, web, 0, two);
  const auto found = records();
  ASSERT_EQ(found.size(), 2U);
  for (const FlowRecord& record : found) {
    EXPECT_EQ(record.differs(), record.source.name == "partners");
    EXPECT_FALSE(record.predicted);
  }
  EXPECT_EQ(table.counters().unassembled, 0U);
}

TEST_F(FlowTableTest, TwoPacketsOfOneConnectionAtOnceArePairedInOrder) {
  const Sent sent = to_edge(80);
  for (int packet = 0; packet < 2; ++packet) {
    log(World::pending, host_in, Action::pass, guard, 1, sent);
    log(World::pending, host_in, Action::deny, audit, 0, sent);
  }
  for (int packet = 0; packet < 2; ++packet) {
    log(World::enforced, host_in, Action::pass, guard, 1, sent);
    log(World::enforced, host_in, Action::allow, web, 0, sent);
  }
  tick(1000);
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.front().packets, 2U);
  EXPECT_EQ(found.front().bytes, 120U);
  EXPECT_FALSE(found.front().predicted);
}

TEST_F(FlowTableTest, LegThatIsNotObservedHasTheSameVerdictInBothWorlds) {
  Sent sent{{address("192.0.2.1"), address("8.8.8.8"), protocol::udp, 40000, 53, 0, 0}};
  sent.hook = output;
  sent.in_interface = 0;
  sent.out_interface = 2;
  sent.tcp_sequence = std::nullopt;
  log(World::enforced, host_out, Action::allow, open_profile, 0, sent);
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.front().reporter, Reporter::source);
  EXPECT_EQ(found.front().enforced, found.front().pending);
  EXPECT_EQ(found.front().enforced.front().kind, PolicyKind::profile);
  EXPECT_FALSE(found.front().differs());
  EXPECT_FALSE(found.front().predicted);
}

TEST_F(FlowTableTest, EndOfTierOfALegThatIsNotObservedBlamesWhomThePendingWorldBlames) {
  log(World::enforced, workload_in, Action::deny, in_2, -1, from_a_to_b(8080));
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(names(found.front().enforced), (Names{{"in-2", -1}}));
  EXPECT_EQ(names(found.front().pending), (Names{{"in-1", -1}}));
  EXPECT_FALSE(found.front().differs());
}

TEST_F(FlowTableTest, FailsafeEndsTheTraceBeforeAllTiers) {
  log(World::enforced, host_in, Action::allow, failsafe, 0, to_edge(22));
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found.front().failsafe);
  EXPECT_FALSE(found.front().predicted);
  EXPECT_EQ(found.front().enforced.size(), 1U);
  EXPECT_EQ(found.front().pending, found.front().enforced);
}

TEST_F(FlowTableTest, FailsafeLoggedInBothWorldsIsOneRecord) {
  log(World::pending, host_in, Action::allow, failsafe, 0, to_edge(22));
  log(World::enforced, host_in, Action::allow, failsafe, 0, to_edge(22));
  tick(1000);
  ASSERT_EQ(records().size(), 1U);
  EXPECT_EQ(records().front().packets, 1U);
}

TEST_F(FlowTableTest, UndecidedLegLetsThePacketOn) {
  Sent sent{{address("8.8.8.8"), address("192.0.2.1"), protocol::udp, 53, 40000, 0, 0}};
  sent.hook = prerouting;
  log(World::enforced, untracked_in, Action::pass, ntp, -1, sent);
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.front().action, Verdict::allow);
  EXPECT_EQ(found.front().bucket, Bucket::untracked);
}

TEST_F(FlowTableTest, LegOfThePendingWorldAloneNeedsNoEnforcedTrace) {
  Sent sent = from_a_to_b(5432);
  sent.in_interface = 2;
  log(World::pending, forward_in, Action::deny, lid, 0, sent);
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.front().bucket, Bucket::forward);
  EXPECT_EQ(found.front().action, Verdict::allow);
  EXPECT_EQ(found.front().pending_action, Verdict::deny);
  EXPECT_TRUE(found.front().enforced.empty());
  EXPECT_FALSE(found.front().predicted);
}

// --- lost hits

TEST_F(FlowTableTest, EnforcedTraceThatNeverComesIsPredicted) {
  log(World::pending, host_in, Action::pass, guard, 1, to_edge(80));
  log(World::pending, host_in, Action::deny, audit, 0, to_edge(80));
  tick(499);
  EXPECT_TRUE(records().empty());
  tick(500);
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found.front().predicted);
  EXPECT_EQ(found.front().action, Verdict::allow);
  EXPECT_EQ(names(found.front().enforced), (Names{{"security.guard", 1}, {"default.web", 0}}));
}

TEST_F(FlowTableTest, PendingTraceThatNeverCameIsPredicted) {
  log(World::enforced, host_in, Action::pass, guard, 1, to_edge(80));
  log(World::enforced, host_in, Action::allow, web, 0, to_edge(80));
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found.front().predicted);
  EXPECT_EQ(found.front().pending_action, Verdict::deny);
  EXPECT_EQ(names(found.front().pending), (Names{{"security.guard", 1}, {"default.audit", 0}}));
}

TEST_F(FlowTableTest, HalfOfAPendingTraceIsCompletedWhenTheEnforcedOneCloses) {
  log(World::pending, host_in, Action::pass, guard, 1, to_edge(80));
  log(World::enforced, host_in, Action::pass, guard, 1, to_edge(80));
  log(World::enforced, host_in, Action::allow, web, 0, to_edge(80));
  tick(1000);
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found.front().predicted);
  EXPECT_EQ(found.front().packets, 1U);
  EXPECT_EQ(table.counters().unassembled, 0U);
}

TEST_F(FlowTableTest, HalfOfAnEnforcedTraceIsCompletedAfterItsPatience) {
  log(World::enforced, host_in, Action::pass, guard, 1, to_edge(80));
  tick(500);
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found.front().predicted);
  EXPECT_EQ(found.front().action, Verdict::allow);
}

TEST_F(FlowTableTest, HalfATraceFromBeforeTheClockWasSetBackHoldsUpNothing) {
  tick(1'800'000);
  log(World::enforced, host_in, Action::pass, guard, 1, to_edge(80));
  tick(0);
  EXPECT_EQ(records().size(), 1U);
  log(World::enforced, host_in, Action::pass, guard, 1, to_edge(80, "198.51.100.8"));
  tick(500);
  EXPECT_EQ(records().size(), 2U);
  EXPECT_EQ(table.counters().unassembled, 0U);
}

TEST_F(FlowTableTest, HalfATraceThatTheEvaluatorContradictsIsUnassembled) {
  const Sent telnet = to_edge(23);  // guard 0 denies it, so a pass by guard 1 cannot be
  log(World::enforced, host_in, Action::pass, guard, 1, telnet);
  tick(500);
  EXPECT_TRUE(records().empty());
  EXPECT_EQ(table.counters().unassembled, 1U);
}

TEST_F(FlowTableTest, LostPassIsFilledInByTheEvaluator) {
  log(World::enforced, host_in, Action::allow, web, 0, to_edge(80, "203.0.113.9"));
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found.front().predicted);
  EXPECT_EQ(names(found.front().enforced), (Names{{"security.guard", 1}, {"default.web", 0}}));
  EXPECT_EQ(table.counters().unassembled, 0U);
}

TEST_F(FlowTableTest, HitThatTheEvaluatorDoesNotComeToIsUnassembled) {
  log(World::enforced, host_in, Action::allow, web, 0, to_edge(81));
  EXPECT_TRUE(records().empty());
  EXPECT_EQ(table.counters().unassembled, 1U);
}

TEST_F(FlowTableTest, FirstHitAgainCountsTheHalfTraceAndBeginsAnew) {
  log(World::enforced, host_in, Action::pass, guard, 1, to_edge(80));
  log(World::enforced, host_in, Action::pass, guard, 1, to_edge(80));
  log(World::enforced, host_in, Action::allow, web, 0, to_edge(80));
  EXPECT_EQ(table.counters().unassembled, 1U);
  ASSERT_EQ(records().size(), 1U);
  EXPECT_EQ(records().front().packets, 1U);
}

TEST_F(FlowTableTest, HitsOfNoLiveRuleAreUnassembled) {
  log(World::enforced, host_in, Action::allow, 0x1234, to_edge(80));
  log(World::enforced, workload_in, Action::allow, web, 0, from_a_to_b(80));
  Sent elsewhere = to_edge(80);
  elsewhere.in_interface = 9;  // of no known name
  log(World::enforced, host_in, Action::pass, guard, 1, elsewhere);
  EXPECT_EQ(table.counters().unassembled, 3U);
  EXPECT_TRUE(records().empty());
}

TEST_F(FlowTableTest, WithoutAnyBookNothingIsGuessed) {
  FlowTable empty{at_ms(0)};
  LoggedPacket packet;
  packet.tag = {World::enforced, LegPoint::host, in, Action::allow, rule_id(web, in, 0)};
  empty.add(packet, interface_name);
  EXPECT_EQ(empty.counters().unassembled, 1U);
}

// --- generations

std::shared_ptr<const TraceBook> book_of_one_tier(std::uint64_t generation, const PolicyId& policy) {
  PlanMaker maker{World::enforced};
  const PolicyIndex only = maker.policy(policy, "default", in, {{Action::allow, tcp_port(80)}});
  auto& edge = maker.endpoint({EndpointKind::host, "", "edge"}, "eth0", {});
  edge.legs.push_back({Bucket::normal,
                       in,
                       std::nullopt,
                       std::nullopt,
                       {maker.tier("default", {only}, Action::deny, only)},
                       {},
                       Ending::deny});
  const auto plan = maker.take();
  return std::make_shared<const TraceBook>(generation, plan, plan, Inventory{});
}

TEST_F(FlowTableTest, LogsOfTheOldRulesAreReadByTheOldBook) {
  table.add_book(book_of_one_tier(2, web));
  log_audited(to_edge(80));
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(names(found.front().enforced), (Names{{"security.guard", 1}, {"default.web", 0}}));
  EXPECT_FALSE(found.front().predicted);
}

TEST_F(FlowTableTest, TraceThatBothBooksKnowIsTheNewestOnes) {
  table.add_book(book_of_one_tier(2, web));
  log(World::enforced, host_in, Action::allow, web, 0, to_edge(80));
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(names(found.front().enforced), (Names{{"default.web", 0}}));
}

TEST_F(FlowTableTest, TraceUnderWayGoesOnInTheOlderBookIfTheNewOneCannotEndIt) {
  // The new generation has the same first tier and another second one.
  PlanMaker maker{World::enforced};
  const PolicyIndex first =
      maker.policy(guard, "security", in, {{Action::deny, tcp_port(23)}, {Action::pass, {ProtocolIs{protocol::tcp}}}});
  const PolicyIndex other = maker.policy(ntp, "default", in, {{Action::allow, tcp_port(80)}});
  auto& edge = maker.endpoint({EndpointKind::host, "", "edge"}, "eth0", {});
  edge.legs.push_back(
      {Bucket::normal,
       in,
       std::nullopt,
       std::nullopt,
       {maker.tier("security", {first}, Action::deny, first), maker.tier("default", {other}, Action::deny, other)},
       {},
       Ending::deny});
  const auto plan = maker.take();
  table.add_book(std::make_shared<const TraceBook>(2, plan, plan, Inventory{}));
  log_audited(to_edge(80));
  log(World::enforced, host_in, Action::pass, guard, 1, to_edge(80, "203.0.113.9"));
  log(World::enforced, host_in, Action::allow, ntp, 0, to_edge(80, "203.0.113.9"));
  const auto found = records();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(names(found[0].enforced), (Names{{"security.guard", 1}, {"default.web", 0}}));
  EXPECT_EQ(names(found[1].enforced), (Names{{"security.guard", 1}, {"default.ntp", 0}}));
  EXPECT_EQ(table.counters().unassembled, 0U);
}

TEST_F(FlowTableTest, GenerationThatChangesNothingHereGrowsTheSameRecord) {
  log_audited(to_edge(80, "198.51.100.7", 1));
  table.add_book(scene_book(2));
  log_audited(to_edge(80, "198.51.100.7", 2));
  ASSERT_EQ(records().size(), 1U);
  EXPECT_EQ(records().front().packets, 2U);
}

TEST_F(FlowTableTest, PolicyChangeBeginsANewRecord) {
  log_audited(to_edge(80));
  table.add_book(scene_book(2, true));
  log(World::enforced, host_in, Action::pass, guard, 1, to_edge(80));
  log(World::enforced, host_in, Action::allow, web, 0, to_edge(80));
  const auto found = records();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_NE(found[0].differs(), found[1].differs());
}

TEST_F(FlowTableTest, FifthOlderBookIsForgotten) {
  for (std::uint64_t generation = 2; generation <= 5; ++generation) table.add_book(book_of_one_tier(generation, ntp));
  log_audited(to_edge(80));
  EXPECT_EQ(records().size(), 1U);
  log(World::enforced, host_in, Action::pass, guard, 1, to_edge(80));
  table.add_book(book_of_one_tier(6, ntp));
  EXPECT_EQ(records().size(), 2U);  // the trace under way was completed first
  log_audited(to_edge(80));
  EXPECT_EQ(records().size(), 2U);
  EXPECT_EQ(table.counters().unassembled, 4U);
}

// --- several legs of one packet

TEST_F(FlowTableTest, PacketThatPassesTwoLegsInOneHookHasTwoRecords) {
  const Sent sent = from_a_to_b(80);
  log(World::pending, workload_out, Action::allow, out, 0, sent);
  log(World::enforced, workload_out, Action::allow, out, 0, sent);
  log(World::enforced, workload_in, Action::allow, in_2, 0, sent);
  const auto found = records();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].reporter, Reporter::source);
  EXPECT_EQ(found[0].endpoint.name, "a");
  EXPECT_EQ(found[0].interface, "cali1");
  EXPECT_EQ(found[1].reporter, Reporter::destination);
  EXPECT_EQ(found[1].endpoint.name, "b");
  EXPECT_EQ(found[1].interface, "cali2");
  for (const FlowRecord& record : found) {
    EXPECT_EQ(record.source.name, "a");
    EXPECT_EQ(record.destination.name, "b");
    EXPECT_FALSE(record.differs());
  }
}

TEST_F(FlowTableTest, LegBehindAWouldDenyIsNotReachedInThePendingWorld) {
  const Sent sent = from_a_to_b(5432);
  log(World::pending, workload_out, Action::deny, no_db, 0, sent);
  log(World::enforced, workload_out, Action::allow, out, 0, sent);
  log(World::enforced, workload_in, Action::allow, in_1, 0, sent);
  const auto found = records();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(names(found[0].pending), (Names{{"no-db", 0}}));
  EXPECT_EQ(found[0].pending_action, Verdict::deny);
  EXPECT_EQ(found[1].action, Verdict::allow);
  EXPECT_EQ(found[1].pending_action, Verdict::deny);
  EXPECT_TRUE(found[1].pending.empty());
  EXPECT_FALSE(found[1].predicted);
}

TEST_F(FlowTableTest, WouldDenyOfOnePacketDoesNotCutTheNext) {
  Sent sent = from_a_to_b(5432);
  log(World::pending, workload_out, Action::deny, no_db, 0, sent);
  log(World::enforced, workload_out, Action::allow, out, 0, sent);
  log(World::enforced, workload_in, Action::allow, in_1, 0, sent);
  table.add_book(scene_book(2, true));
  tick(1000);
  log(World::enforced, workload_out, Action::allow, out, 0, sent);
  log(World::enforced, workload_in, Action::allow, in_1, 0, sent);
  const auto found = records();
  ASSERT_EQ(found.size(), 4U);
  EXPECT_FALSE(found[2].differs());
  EXPECT_FALSE(found[3].differs());
}

TEST_F(FlowTableTest, LegThatJudgesAgainLiftsItsOwnBarrier) {
  const Sent sent = from_a_to_b(5432);
  log(World::pending, workload_out, Action::deny, no_db, 0, sent);
  log(World::enforced, workload_out, Action::allow, out, 0, sent);
  log(World::enforced, workload_in, Action::allow, in_1, 0, sent);
  log(World::pending, workload_out, Action::allow, out, 0, sent);
  log(World::enforced, workload_out, Action::allow, out, 0, sent);
  log(World::enforced, workload_in, Action::allow, in_1, 0, sent);
  int reached = 0;
  for (const FlowRecord& record : records()) reached += record.endpoint.name == "b" && !record.differs() ? 1 : 0;
  EXPECT_EQ(reached, 1);
}

TEST_F(FlowTableTest, UntrackedWouldAllowExcusesFromTheHostsNormalLeg) {
  PlanMaker enforced_maker{World::enforced};
  PlanMaker pending_maker{World::pending};
  for (PlanMaker* maker : {&enforced_maker, &pending_maker}) {
    auto& edge = maker->endpoint({EndpointKind::host, "", "edge"}, "eth0", {});
    if (maker == &pending_maker) {
      const PolicyIndex clock = maker->policy(audit, "default", in, {{Action::allow, tcp_port(80)}});
      edge.legs.push_back({Bucket::untracked,
                           in,
                           std::nullopt,
                           std::nullopt,
                           {maker->tier("default", {clock}, Action::pass, clock)},
                           {},
                           Ending::undecided});
    }
    edge.legs.push_back({Bucket::normal, in, std::nullopt, std::nullopt, {}, {}, Ending::deny});
  }
  table.add_book(std::make_shared<const TraceBook>(2, enforced_maker.take(), pending_maker.take(), Inventory{}));
  Sent sent = to_edge(80);
  sent.hook = prerouting;
  log(World::pending, untracked_in, Action::allow, audit, 0, sent);
  sent.hook = input;
  log(World::enforced, host_in, Action::deny, no_profile_id(in), sent);
  const auto found = records();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[1].bucket, Bucket::normal);
  EXPECT_EQ(found[1].action, Verdict::deny);
  EXPECT_EQ(found[1].pending_action, Verdict::allow);
  EXPECT_TRUE(found[1].pending.empty());
}

TEST_F(FlowTableTest, LegThatTheEnforcedWorldNeverReachedIsPredicted) {
  // The egress leg of another host's packet would be judged next, but the enforced world dropped the packet before.
  const Sent sent = from_a_to_b(80);
  log(World::pending, workload_out, Action::allow, out, 0, sent);
  tick(500);
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found.front().predicted);
  EXPECT_EQ(found.front().action, Verdict::allow);
}

/// Workloads a and b, and a host endpoint for all other interfaces. In both worlds nothing lets a's packets leave. In
/// the pending world alone the staged audit denies what comes to b, and allows what leaves to any interface.
std::shared_ptr<const TraceBook> closed_book(std::vector<std::string> workload_prefixes = {}) {
  PlanMaker enforced_maker{World::enforced};
  PlanMaker pending_maker{World::pending};
  for (PlanMaker* maker : {&enforced_maker, &pending_maker}) {
    maker->plan().workload_prefixes = workload_prefixes;
    const bool with_a = workload_prefixes.empty();
    if (with_a) {
      auto& a = maker->endpoint({EndpointKind::workload, "shop", "a"}, "cali1", {address("10.1.0.1")});
      a.legs.push_back({Bucket::normal, out_of, std::nullopt, std::nullopt, {}, {}, Ending::deny});
    }
    auto& b = maker->endpoint({EndpointKind::workload, "shop", "b"}, "cali2", {address("10.1.0.2")});
    b.legs.push_back({Bucket::normal, in, std::nullopt, std::nullopt, {}, {}, Ending::deny});
    auto& others = maker->endpoint({EndpointKind::host, "", "others"}, "*", {});
    if (maker == &enforced_maker) continue;
    const PolicyIndex denies = maker->policy(audit, "default", in, {{Action::deny, {}}});
    const PolicyIndex allows = maker->policy(audit, "default", out_of, {{Action::allow, {}}});
    maker->plan().endpoints.end()[-2].legs[0].tiers = {maker->tier("default", {denies}, Action::deny, denies)};
    others.legs.push_back({Bucket::forward,
                           out_of,
                           std::nullopt,
                           std::nullopt,
                           {maker->tier("default", {allows}, Action::deny, allows)},
                           {},
                           Ending::allow});
  }
  return std::make_shared<const TraceBook>(2, enforced_maker.take(), pending_maker.take(), Inventory{});
}

TEST_F(FlowTableTest, LegBehindOneThatDeniesInBothWorldsHasNoRecord) {
  table.add_book(closed_book());
  const Sent sent = from_a_to_b(80);
  log(World::pending, workload_in, Action::deny, audit, 0, sent);
  log(World::pending, {LegPoint::forward, out_of}, Action::allow, audit, 0, sent);
  log(World::enforced, workload_out, Action::deny, no_profile_id(out_of), sent);
  tick(500);
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.front().endpoint.name, "a");
  EXPECT_EQ(table.counters().unassembled, 0U);
}

TEST_F(FlowTableTest, LegBehindAnInterfaceThatNoWorkloadOwnsHasNoRecord) {
  table.add_book(closed_book({"cali"}));
  log(World::pending, workload_in, Action::deny, audit, 0, from_a_to_b(80));
  tick(500);
  EXPECT_TRUE(records().empty());
}

TEST_F(FlowTableTest, WouldDenyBehindAWouldAllowBeforeDnatCutsWhatFollows) {
  PlanMaker enforced_maker{World::enforced};
  PlanMaker pending_maker{World::pending};
  for (PlanMaker* maker : {&enforced_maker, &pending_maker}) {
    auto& others = maker->endpoint({EndpointKind::host, "", "others"}, "*", {});
    if (maker == &pending_maker) {
      const PolicyIndex spares = maker->policy(audit, "default", in, {{Action::allow, {}}});
      others.legs.push_back({Bucket::pre_dnat,
                             in,
                             std::nullopt,
                             std::nullopt,
                             {maker->tier("default", {spares}, Action::pass, spares)},
                             {},
                             Ending::undecided});
    }
    auto& a = maker->endpoint({EndpointKind::workload, "shop", "a"}, "cali1", {address("10.1.0.1")});
    a.legs.push_back({Bucket::normal, out_of, std::nullopt, std::nullopt, {}, {}, Ending::deny});
    const PolicyIndex leaves = maker->policy(out, "default", out_of, {{Action::allow, {}}});
    const PolicyIndex stays = maker->policy(no_db, "default", out_of, {{Action::deny, {}}});
    const PolicyIndex first = maker == &pending_maker ? stays : leaves;
    a.legs[0].tiers = {maker->tier("default", {first}, Action::deny, first)};
    auto& b = maker->endpoint({EndpointKind::workload, "shop", "b"}, "cali2", {address("10.1.0.2")});
    const PolicyIndex comes = maker->policy(in_1, "default", in, {{Action::allow, {}}});
    b.legs.push_back({Bucket::normal,
                      in,
                      std::nullopt,
                      std::nullopt,
                      {maker->tier("default", {comes}, Action::deny, comes)},
                      {},
                      Ending::deny});
  }
  table.add_book(std::make_shared<const TraceBook>(2, enforced_maker.take(), pending_maker.take(), Inventory{}));
  Sent sent = from_a_to_b(80);
  sent.hook = prerouting;
  log(World::pending, {LegPoint::pre_dnat, in}, Action::allow, audit, 0, sent);
  sent.hook = forward;
  log(World::pending, workload_out, Action::deny, no_db, 0, sent);
  log(World::enforced, workload_out, Action::allow, out, 0, sent);
  log(World::enforced, workload_in, Action::allow, in_1, 0, sent);
  const auto found = records();
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[2].endpoint.name, "b");
  EXPECT_EQ(found[2].pending_action, Verdict::deny);
  EXPECT_TRUE(found[2].pending.empty());
}

TEST_F(FlowTableTest, IcmpErrorThatAStagedUntrackedPolicyWouldLetThroughUnaskedIsNotAWouldDeny) {
  PlanMaker enforced_maker{World::enforced};
  PlanMaker pending_maker{World::pending};
  for (PlanMaker* maker : {&enforced_maker, &pending_maker}) {
    auto& edge = maker->endpoint({EndpointKind::host, "", "edge"}, "eth0", {});
    edge.legs.push_back({Bucket::normal, in, std::nullopt, std::nullopt, {}, {}, Ending::deny});
    if (maker == &enforced_maker) continue;
    const PolicyIndex sends = maker->policy(audit, "default", out_of, {{Action::allow, {}}});
    edge.legs.push_back({Bucket::untracked,
                         out_of,
                         std::nullopt,
                         std::nullopt,
                         {maker->tier("default", {sends}, Action::pass, sends)},
                         {},
                         Ending::undecided});
  }
  table.add_book(std::make_shared<const TraceBook>(2, enforced_maker.take(), pending_maker.take(), Inventory{}));
  Sent sent = to_edge(0);
  sent.packet.protocol = protocol::icmp;
  sent.packet.source_port = 0;
  sent.packet.icmp_type = 11;
  sent.tcp_sequence = std::nullopt;
  log(World::enforced, host_in, Action::deny, no_profile_id(in), sent);
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.front().pending_action, Verdict::allow);
  EXPECT_TRUE(found.front().pending.empty());
}

// --- counting

TEST_F(FlowTableTest, RetriedSynIsOneConnection) {
  for (const std::int64_t retry : {0, 1000, 3000}) {
    tick(retry);
    log_audited(to_edge(80));
  }
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.front().packets, 3U);
  EXPECT_EQ(found.front().bytes, 180U);
  EXPECT_EQ(found.front().connections_started, 1U);
  EXPECT_EQ(found.front().start, at_ms(0));
  EXPECT_EQ(found.front().end, at_ms(3000));
}

TEST_F(FlowTableTest, ReusedPortIsANewConnection) {
  Sent sent = to_edge(80);
  log_audited(sent);
  sent.tcp_sequence = 2;
  log_audited(sent);
  EXPECT_EQ(records().front().connections_started, 2U);
}

TEST_F(FlowTableTest, LongSilenceMakesANewConnection) {
  const Sent sent = to_edge(80);
  log_audited(sent);
  tick(60'000);
  tick(120'000);
  log_audited(sent);
  ASSERT_EQ(records().size(), 2U);
  EXPECT_EQ(records().back().connections_started, 1U);
}

TEST_F(FlowTableTest, LongSilenceAfterTheClockWasSetBackMakesANewConnection) {
  tick(1'800'000);
  log_audited(to_edge(80));
  tick(0);
  tick(60'000);
  tick(120'000);
  log_audited(to_edge(80));
  ASSERT_EQ(records().size(), 2U);
  EXPECT_EQ(records().front().connections_started, 1U);
  EXPECT_EQ(records().back().connections_started, 1U);
}

TEST_F(FlowTableTest, EachLegCountsTheConnection) {
  const Sent sent = from_a_to_b(80);
  log(World::pending, workload_out, Action::allow, out, 0, sent);
  log(World::enforced, workload_out, Action::allow, out, 0, sent);
  log(World::enforced, workload_in, Action::allow, in_2, 0, sent);
  for (const FlowRecord& record : records()) EXPECT_EQ(record.connections_started, 1U);
}

TEST_F(FlowTableTest, AddressesAreASample) {
  for (int host = 1; host <= 20; ++host) log_audited(to_edge(80, "198.51.100." + std::to_string(host)));
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.front().packets, 20U);
  EXPECT_EQ(found.front().connections_started, 20U);
  EXPECT_EQ(found.front().source_addresses.size(), FlowRecord::max_sample);
  EXPECT_EQ(found.front().destination_addresses.size(), 1U);
}

TEST_F(FlowTableTest, IcmpIsToldApartByTypeAndCode) {
  Sent sent{{address("192.0.2.1"), address("8.8.8.8"), protocol::icmp, 0, 0, 8, 0}};
  sent.hook = output;
  sent.in_interface = 0;
  sent.out_interface = 2;
  log(World::enforced, host_out, Action::allow, open_profile, 0, sent);
  sent.packet.icmp_type = 0;
  log(World::enforced, host_out, Action::allow, open_profile, 0, sent);
  const auto found = records();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].icmp_type, 8);
  EXPECT_EQ(found[0].icmp_code, 0);
  EXPECT_EQ(found[1].icmp_type, 0);
}

TEST_F(FlowTableTest, BucketsAreFifteenSeconds) {
  log_audited(to_edge(80));
  now = 14'999;
  log_audited(to_edge(80));
  EXPECT_EQ(records().size(), 1U);
  now = 15'000;
  log_audited(to_edge(80));
  EXPECT_EQ(records().size(), 2U);
}

TEST_F(FlowTableTest, RecordsAreInOrderOfStart) {
  now = 100;
  log_audited(to_edge(80));
  now = 50;
  log_audited(to_edge(80, "203.0.113.1"));  // logged by another processor, read later
  const auto found = records();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_LT(found[0].start, found[1].start);
}

TEST_F(FlowTableTest, OldRecordsGo) {
  log_audited(to_edge(80));
  tick(3'600'000);
  EXPECT_EQ(records().size(), 1U);
  tick(3'600'001);
  EXPECT_TRUE(records().empty());
  EXPECT_EQ(table.counters().evicted, 0U);
}

TEST_F(FlowTableTest, RecordsOfAClockThatWasFarAheadGo) {
  now = 100'000'000'000;
  log_audited(to_edge(80));
  tick(0);
  log_audited(to_edge(80));
  tick(10);
  ASSERT_EQ(records().size(), 1U);
  EXPECT_EQ(records().front().start, at_ms(0));
}

TEST_F(FlowTableTest, LossIsShownInEveryRecordOfItsBucket) {
  log_audited(to_edge(80));
  table.count_lost(7, at_ms(0));
  table.count_lost(0, at_ms(0));
  table.count_overrun(at_ms(0));
  now = 20'000;
  log_audited(to_edge(80));
  const auto found = records();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].lost, 7U);
  EXPECT_EQ(found[1].lost, 0U);
  EXPECT_EQ(table.counters().lost, 7U);
  EXPECT_EQ(table.counters().gaps, 2U);
}

TEST_F(FlowTableTest, CountsWhatItWasTold) {
  table.count_undecodable();
  EXPECT_EQ(table.counters().undecodable, 1U);
  EXPECT_EQ(table.counters().since, at_ms(0));
}

TEST_F(FlowTableTest, ChangesAreDrainedOnce) {
  log_audited(to_edge(80));
  EXPECT_EQ(table.drain_changes().size(), 1U);
  EXPECT_TRUE(table.drain_changes().empty());
  log_audited(to_edge(80));
  log_audited(to_edge(80));
  const auto grown = table.drain_changes();
  ASSERT_EQ(grown.size(), 1U);
  EXPECT_EQ(grown.front().packets, 3U);
}

TEST_F(FlowTableTest, FilterPicksRecords) {
  log_audited(to_edge(80));
  log_audited(to_edge(80, "203.0.113.1"));
  FlowFilter filter;
  filter.sources = {"partners"};
  EXPECT_EQ(table.records(filter).size(), 1U);
  filter.sources = {"203.0.113.0/24"};
  EXPECT_EQ(table.records(filter).size(), 1U);
  filter.ports = {443};
  EXPECT_TRUE(table.records(filter).empty());
}

class SmallFlowTable : public FlowTableTest {
 protected:
  SmallFlowTable() : FlowTableTest{{.records = 3, .traces = 4, .connections = 8}} {}
};

TEST_F(SmallFlowTable, DropsTheOldestRecordsAndCountsThem) {
  for (int bucket = 0; bucket < 5; ++bucket) {
    now = bucket * 15'000;
    log_audited(to_edge(80));
  }
  const auto found = records();
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found.front().start, at_ms(30'000));
  EXPECT_EQ(table.counters().evicted, 2U);
  EXPECT_EQ(table.drain_changes().size(), 3U);
}

TEST_F(SmallFlowTable, CompletesTheOldestTraceUnderWayWhenThereAreTooMany) {
  for (std::uint16_t port = 1; port <= 10; ++port) {
    log(World::pending, host_in, Action::pass, guard, 1, to_edge(80, "198.51.100.7", port));
    log(World::pending, host_in, Action::deny, audit, 0, to_edge(80, "198.51.100.7", port));
  }
  ASSERT_EQ(records().size(), 1U);
  EXPECT_EQ(records().front().packets, 6U);
  EXPECT_TRUE(records().front().predicted);
  tick(500);
  EXPECT_EQ(records().front().packets, 10U);
  EXPECT_EQ(table.counters().unassembled, 0U);
}

TEST_F(FlowTableTest, ThousandsOfPacketsInAnyInterleavingGiveWholeTraces) {
  struct Script {
    Sent sent;
    std::size_t next = 0;
  };
  std::vector<Script> packets;
  for (std::uint16_t port = 1; port <= 2000; ++port) packets.push_back({to_edge(80, "198.51.100.7", port)});
  std::uint32_t random = 1;
  std::vector<std::size_t> open(packets.size());
  for (std::size_t each = 0; each < open.size(); ++each) open[each] = each;
  while (!open.empty()) {
    random = random * 1'664'525 + 1'013'904'223;
    const std::size_t pick = (random >> 8U) % open.size();
    Script& script = packets[open[pick]];
    switch (script.next++) {
      case 0:
        log(World::pending, host_in, Action::pass, guard, 1, script.sent);
        break;
      case 1:
        log(World::pending, host_in, Action::deny, audit, 0, script.sent);
        break;
      case 2:
        log(World::enforced, host_in, Action::pass, guard, 1, script.sent);
        break;
      default:
        log(World::enforced, host_in, Action::allow, web, 0, script.sent);
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(pick));
    }
  }
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.front().packets, 2000U);
  EXPECT_EQ(found.front().connections_started, 2000U);
  EXPECT_FALSE(found.front().predicted);
  EXPECT_EQ(table.counters().unassembled, 0U);
}

}  // namespace
}  // namespace drywall
