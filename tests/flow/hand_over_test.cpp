// SPDX-License-Identifier: GPL-2.0-or-later
// What an untracked or preDNAT policy decided is carried to the legs behind it, also where DNAT has changed the packet
// in between.
#include <gtest/gtest.h>

#include <memory>

#include "flow/flow_table.h"
#include "policy/compile.h"
#include "tests/render/plan_builder.h"

namespace drywall {
namespace {

constexpr std::uint8_t prerouting = 0;
constexpr std::uint8_t input = 1;
constexpr std::uint8_t forward = 2;
constexpr auto in = Direction::ingress;

Timestamp at_ms(std::int64_t milliseconds) {
  return Timestamp{std::chrono::seconds{1'790'000'040} + std::chrono::milliseconds{milliseconds}};
}

std::string_view interface_name(std::uint32_t index) {
  return index == 2 ? "eth0" : index == 3 ? "cali1" : "";
}

const PolicyId wall{PolicyKind::staged_global_network_policy, "", "wall"};
const PolicyId open{PolicyKind::global_network_policy, "", "open"};

/// eth0 is a host endpoint and allows everything; a staged preDNAT policy denies everything. cali1 is a workload.
Inventory behind_a_staged_wall() {
  Inventory inventory = test::empty_inventory();
  inventory.host_endpoints = {test::host_endpoint("h", "eth0")};
  inventory.workload_endpoints = {test::workload_endpoint("w", "cali1", *parse_address("10.0.0.1"))};
  Policy staged_wall = test::staged(test::global_policy("wall", Action::deny));
  staged_wall.pre_dnat = staged_wall.apply_on_forward = true;
  inventory.policies = {test::global_policy("open", Action::allow), staged_wall};
  return inventory;
}

class HandOver : public testing::Test {
 protected:
  explicit HandOver(const Inventory& inventory = behind_a_staged_wall()) {
    const auto plan = [&](World world) {
      return std::make_shared<const Plan>(compile(inventory, test::here(), world));
    };
    table_.add_book(std::make_shared<const TraceBook>(1, plan(World::enforced), plan(World::pending), inventory));
  }

  void log(World world, LegPoint leg, Action action, RuleId id, std::uint8_t hook, const Packet& packet) {
    LoggedPacket logged;
    logged.at = at_ms(0);
    logged.tag = {world, leg, in, action, id};
    logged.headers = {packet, 60, false, 1};
    logged.hook = hook;
    logged.in_interface = 2;
    logged.out_interface = hook == forward ? 3 : 0;
    table_.add(logged, interface_name);
  }
  void log(World world, LegPoint leg, Action action, const PolicyId& policy, std::uint8_t hook, const Packet& packet) {
    log(world, leg, action, rule_id(policy, in, 0), hook, packet);
  }

  std::vector<FlowRecord> records() {
    table_.tick(at_ms(2000));
    return table_.records({});
  }

  FlowTable table_{at_ms(0)};
};

Packet to(const char* destination, std::uint16_t port) {
  return {*parse_address("198.51.100.7"), *parse_address(destination), protocol::tcp, 40000, port, 0, 0};
}

const FlowRecord* of_bucket(const std::vector<FlowRecord>& records, Bucket bucket) {
  for (const FlowRecord& record : records) {
    if (record.bucket == bucket) return &record;
  }
  return nullptr;
}

TEST_F(HandOver, AWouldDenyBeforeDnatCutsTheHostsLegBehindIt) {
  log(World::pending, LegPoint::pre_dnat, Action::deny, wall, prerouting, to("192.0.2.1", 80));
  log(World::pending, LegPoint::host, Action::deny, decided_before_id(in), input, to("203.0.113.1", 8080));
  log(World::enforced, LegPoint::host, Action::allow, open, input, to("203.0.113.1", 8080));
  const auto found = records();
  ASSERT_EQ(found.size(), 2U);
  const FlowRecord* host = of_bucket(found, Bucket::normal);
  ASSERT_NE(host, nullptr);
  EXPECT_EQ(host->action, Verdict::allow);
  EXPECT_EQ(host->pending_action, Verdict::deny);
  EXPECT_TRUE(host->pending.empty());
  EXPECT_FALSE(host->predicted);
  EXPECT_EQ(table_.counters().unassembled, 0U);
}

TEST_F(HandOver, AndTheWorkloadsLegWhereTheHostEndpointHasNoForwardPolicy) {
  log(World::pending, LegPoint::pre_dnat, Action::deny, wall, prerouting, to("192.0.2.1", 80));
  log(World::pending, LegPoint::forward, Action::deny, decided_before_id(in), forward, to("10.0.0.1", 8080));
  log(World::enforced, LegPoint::workload, Action::allow, open, forward, to("10.0.0.1", 8080));
  const auto found = records();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(of_bucket(found, Bucket::forward), nullptr);
  const FlowRecord* workload = of_bucket(found, Bucket::normal);
  ASSERT_NE(workload, nullptr);
  EXPECT_EQ(workload->pending_action, Verdict::deny);
  EXPECT_TRUE(workload->pending.empty());
  EXPECT_EQ(table_.counters().unassembled, 0U);
}

TEST_F(HandOver, ALostWordOfItIsPredictedFromTheEarlierBucket) {
  log(World::enforced, LegPoint::host, Action::allow, open, input, to("203.0.113.1", 8080));
  const auto found = records();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.front().pending_action, Verdict::deny);
  EXPECT_TRUE(found.front().pending.empty());
  EXPECT_TRUE(found.front().predicted);
}

TEST_F(HandOver, SaysNothingWhereNoEarlierBucketCanDecide) {
  log(World::enforced, LegPoint::host, Action::deny, decided_before_id(in), input, to("203.0.113.1", 8080));
  EXPECT_TRUE(records().empty());
  EXPECT_EQ(table_.counters().unassembled, 1U);
}

}  // namespace
}  // namespace drywall
