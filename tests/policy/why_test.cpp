// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/why.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "policy/compile.h"
#include "policy/evaluate.h"
#include "tests/render/plan_builder.h"

namespace drywall {
namespace {

/// Packets near the boundaries of what test::RandomInventory writes.
class Packets {
 public:
  explicit Packets(std::uint64_t seed) : random_(seed) {}

  Packet next() {
    static const std::array v4{*parse_address("10.0.0.1"), *parse_address("10.1.2.3"), *parse_address("10.9.0.1")};
    static const std::array v6{*parse_address("fd00::2"), *parse_address("fd01::9")};
    static constexpr std::array protocols{protocol::tcp, protocol::udp, protocol::sctp, protocol::icmp,
                                          protocol::icmpv6};
    static constexpr std::array<std::uint16_t, 4> ports{80, 5, 10, 1500};
    const bool six = pick(3) == 0;
    Packet packet;
    packet.source = six ? v6[pick(v6.size())] : v4[pick(v4.size())];
    packet.destination = six ? v6[pick(v6.size())] : v4[pick(v4.size())];
    packet.protocol = protocols[pick(protocols.size())];
    if (has_ports(packet.protocol)) {
      packet.source_port = ports[pick(ports.size())];
      packet.destination_port = ports[pick(ports.size())];
    } else {
      packet.icmp_type = pick(2) == 0 ? 8 : 3;
      packet.icmp_code = static_cast<std::uint8_t>(pick(2));
    }
    return packet;
  }

 private:
  std::size_t pick(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_); }
  std::mt19937_64 random_;
};

Trace hits(const std::vector<Considered>& considered) {
  Trace trace;
  for (const Considered& one : considered) {
    if (one.outcome == Outcome::hit && one.step != Step::no_policy) trace.push_back(one.entry);
  }
  return trace;
}

TEST(Why, HitsAreTheTraceOfTheEvaluator) {
  std::size_t rules = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Inventory inventory = test::RandomInventory(seed).make();
    for (const World world : {World::enforced, World::pending}) {
      const Plan plan = compile(inventory, test::here(), world);
      Packets packets(seed);
      for (int i = 0; i < 30; ++i) {
        const Packet packet = packets.next();
        for (const PlannedEndpoint& endpoint : plan.endpoints) {
          for (const PlannedLeg& leg : endpoint.legs) {
            const auto considered = why(plan, leg, packet);
            ASSERT_EQ(hits(considered), evaluate(plan, leg, packet).trace) << "seed " << seed << ", packet " << i;
            ASSERT_TRUE(std::ranges::none_of(considered, [](const Considered& one) { return one.reason.empty(); }));
            rules += considered.size();
          }
        }
      }
    }
  }
  EXPECT_GT(rules, 10000U);
}

Packet tcp(const char* source, const char* destination, std::uint16_t port) {
  return {*parse_address(source), *parse_address(destination), protocol::tcp, 40000, port, 0, 0};
}

Rule tcp_rule(Action action) {
  Rule made = test::rule(action);
  made.protocol = protocol::tcp;
  return made;
}

/// What the workload w1 (10.0.0.1) asks about a packet that comes in, if one policy with these rules governs it.
std::vector<Considered> asked(std::vector<Rule> rules, const Packet& packet) {
  Inventory inventory = test::empty_inventory();
  inventory.workload_endpoints = {test::workload_endpoint("w1", "cali1", *parse_address("10.0.0.1"))};
  Policy policy = test::global_policy("web", Action::allow);
  policy.ingress = std::move(rules);
  inventory.policies = {std::move(policy)};
  const Plan plan = compile(inventory, test::here(), World::enforced);
  return why(plan, *plan.endpoints.front().leg(Bucket::normal, Direction::ingress), packet);
}

/// Why the first of them matches or not.
std::string reason(const Rule& rule, const Packet& packet) {
  return asked({rule}, packet).front().reason;
}

TEST(Why, NamesTheCriterionThatFails) {
  Rule rule = tcp_rule(Action::allow);
  rule.destination.ports.ranges = {{80, 80}, {443, 443}};
  EXPECT_EQ(reason(rule, tcp("10.0.0.9", "10.0.0.1", 22)), "destination port 22 is not in 80, 443");

  rule = tcp_rule(Action::allow);
  rule.source.selector = Selector::equals("env", "prod");
  EXPECT_EQ(reason(rule, tcp("10.0.0.9", "10.0.0.1", 22)), "source 10.0.0.9 is not in selector env == \"prod\"");

  rule = test::rule(Action::allow);
  rule.protocol = protocol::udp;
  EXPECT_EQ(reason(rule, tcp("10.0.0.9", "10.0.0.1", 22)), "protocol tcp is not udp");

  rule = test::rule(Action::allow);
  rule.family = Family::v6;
  EXPECT_EQ(reason(rule, tcp("10.0.0.9", "10.0.0.1", 22)), "the packet is IPv4, not IPv6");
}

TEST(Why, NamesAllCriteriaThatFail) {
  Rule rule = tcp_rule(Action::allow);
  rule.source.nets = {*parse_prefix("10.1.0.0/16"), *parse_prefix("10.2.0.0/16")};
  rule.destination.ports.ranges = {{80, 90}};
  EXPECT_EQ(reason(rule, tcp("10.0.0.9", "10.0.0.1", 22)),
            "source 10.0.0.9 is not in nets 10.1.0.0/16, 10.2.0.0/16; destination port 22 is not in 80:90");
}

TEST(Why, NegatedCriterionThatFailsIsAnExclusion) {
  Rule rule = tcp_rule(Action::allow);
  rule.source.not_nets = {*parse_prefix("10.0.0.0/24")};
  EXPECT_EQ(reason(rule, tcp("10.0.0.9", "10.0.0.1", 22)),
            "source 10.0.0.9 is in nets 10.0.0.0/24, which the rule excludes");
  rule = test::rule(Action::allow);
  rule.not_protocol = protocol::tcp;
  EXPECT_EQ(reason(rule, tcp("10.0.0.9", "10.0.0.1", 22)), "protocol is tcp, which the rule excludes");
}

TEST(Why, NamedPortsAndServicesGoWithTheirAddress) {
  Rule rule = tcp_rule(Action::allow);
  rule.destination.ports = {{{22, 22}}, {"web"}};
  EXPECT_EQ(reason(rule, tcp("10.0.0.9", "10.0.0.1", 23)),
            "destination 10.0.0.1 port 23 is not in 22 or ports web/tcp of all()");
  EXPECT_EQ(reason(rule, tcp("10.0.0.9", "10.0.0.1", 80)),
            "protocol is tcp; destination 10.0.0.1 port 80 is in 22 or ports web/tcp of all()");
}

TEST(Why, PacketOfAnotherProtocolIsNotBlamedForWhatThatLacks) {
  Rule rule = test::rule(Action::allow);
  rule.icmp = IcmpMatch{8, std::nullopt};
  EXPECT_EQ(reason(rule, tcp("10.0.0.9", "10.0.0.1", 22)), "protocol tcp is not icmp");
  Packet ping = tcp("10.0.0.9", "10.0.0.1", 0);
  ping.protocol = protocol::icmp;
  ping.icmp_type = 3;
  ping.icmp_code = 1;
  EXPECT_EQ(reason(rule, ping), "ICMP type 3 code 1 is not type 8");
}

TEST(Why, RuleOfBothFamiliesIsAskedOnce) {
  Rule rule = test::rule(Action::deny);
  rule.icmp = IcmpMatch{8, std::nullopt};
  const auto considered = asked({rule}, tcp("10.0.0.9", "10.0.0.1", 22));
  ASSERT_EQ(considered.size(), 2U);
  EXPECT_EQ(considered[0].step, Step::rule);
  EXPECT_EQ(considered[1].step, Step::end_of_tier);
}

TEST(Why, LongListsAreCut) {
  Rule rule = tcp_rule(Action::allow);
  for (std::uint16_t port = 0; port < 20; ++port) {
    const auto one = static_cast<std::uint16_t>(100 + 2 * port);
    rule.destination.ports.ranges.push_back({one, one});
  }
  EXPECT_EQ(reason(rule, tcp("10.0.0.9", "10.0.0.1", 22)),
            "destination port 22 is not in 100, 102, 104, 106, 108, 110, 112, 114 and 12 more");
}

TEST(Why, LogRuleIsNotedAndTheNextIsAsked) {
  const auto considered = asked({test::rule(Action::log), test::rule(Action::allow)}, tcp("10.0.0.9", "10.0.0.1", 22));
  ASSERT_EQ(considered.size(), 2U);
  EXPECT_EQ(considered[0].outcome, Outcome::noted);
  EXPECT_EQ(considered[1].outcome, Outcome::hit);
  EXPECT_EQ(considered[1].reason, "it matches every packet");
  EXPECT_EQ(considered[1].entry.at, (SourceLocation{"test.yaml", 7, 3}));
}

TEST(Why, PolicyWithoutRulesSaysSo) {
  const auto considered = asked({}, tcp("10.0.0.9", "10.0.0.1", 22));
  ASSERT_EQ(considered.size(), 2U);
  EXPECT_EQ(considered[0].step, Step::empty_policy);
  EXPECT_EQ(considered[0].reason, "it has no ingress rules");
  EXPECT_EQ(considered[1].reason, "no rule of the tier matches");
}

TEST(Why, ProfileThatNobodyDefinesSaysSo) {
  Inventory inventory = test::empty_inventory();
  inventory.workload_endpoints = {test::workload_endpoint("w1", "cali1", *parse_address("10.0.0.1"))};
  inventory.workload_endpoints.front().profiles = {"kns.nowhere"};
  const Plan plan = compile(inventory, test::here(), World::enforced);
  const auto considered =
      why(plan, *plan.endpoints.front().leg(Bucket::normal, Direction::ingress), tcp("10.0.0.9", "10.0.0.1", 22));
  ASSERT_EQ(considered.size(), 2U);
  EXPECT_EQ(considered[0].reason, "no document defines this profile");
  EXPECT_EQ(considered[1].step, Step::no_profile);
  EXPECT_EQ(considered[1].reason, "no rule of the endpoint's profiles matches");
}

}  // namespace
}  // namespace drywall
