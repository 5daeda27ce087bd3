// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/change.h"

#include <gtest/gtest.h>

#include "render/lower.h"
#include "tests/render/plan_builder.h"

namespace drywall {
namespace {

Ruleset lowered(const Inventory& inventory) {
  return *lower(compile(inventory, test::here(), World::enforced), compile(inventory, test::here(), World::pending),
                {});
}

Inventory with_policies(std::size_t number) {
  Inventory inventory = test::empty_inventory();
  inventory.host_endpoints = {test::host_endpoint("h", "eth0")};
  for (std::size_t i = 0; i < number; ++i) {
    Policy policy = test::global_policy("p" + std::to_string(100 + i), Action::allow);
    policy.ingress[0].protocol = protocol::tcp;
    policy.ingress[0].source.nets = {*parse_prefix("10.0.0.0/8")};
    policy.ingress[0].family = Family::v4;
    inventory.policies.push_back(policy);
  }
  return inventory;
}

void from_set_a(Policy& policy) {
  policy.ingress[0].source = {};
  policy.ingress[0].source.selector = Selector::equals("set", "a");
}

std::vector<std::string> names(const std::vector<Chain<Stance::enforce>>& chains) {
  std::vector<std::string> found;
  for (const auto& chain : chains) found.push_back(chain.name.text);
  return found;
}

TEST(Diff, OfTheSameIsEmpty) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const Ruleset ruleset = lowered(test::RandomInventory(seed).make());
    EXPECT_TRUE(diff(ruleset, ruleset).empty()) << "seed " << seed;
  }
}

TEST(Diff, ARuleThatMovedInItsFileIsTheSame) {
  Inventory moved = with_policies(3);
  for (std::size_t i = 0; i < moved.policies.size(); ++i) {
    moved.policies.edit(i, [](Policy& policy) {
      policy.at.line += 5;
      for (Rule& rule : policy.ingress) rule.at.line += 5;
    });
  }
  const Ruleset before = lowered(with_policies(3));
  const Ruleset after = lowered(moved);
  EXPECT_NE(before, after);
  EXPECT_TRUE(diff(before, after).empty());
}

TEST(Diff, OneRuleMoreTouchesItsOwnChainsOnly) {
  Inventory more = with_policies(50);
  Rule rule = test::rule(Action::deny);
  rule.protocol = protocol::udp;
  more.policies.edit(7, [&](Policy& policy) { policy.ingress.push_back(rule); });
  const Change change = diff(lowered(with_policies(50)), lowered(more));
  ASSERT_EQ(change.tables.size(), 2U);
  for (const TableChange& table : change.tables) {
    EXPECT_EQ(table.enforce.fresh_chains.size(), 1U);      // the new rule's leaf
    EXPECT_EQ(table.enforce.rewritten_chains.size(), 1U);  // the policy
    EXPECT_TRUE(table.enforce.rewritten_chains[0].name.text.starts_with("eni-policy-p107-"));
    EXPECT_TRUE(table.enforce.gone_chains.empty());
    EXPECT_TRUE(table.observe.empty());
  }
}

TEST(Diff, AMemberMoreIsAnElementMore) {
  Inventory few = with_policies(1);
  few.policies.edit(0, from_set_a);
  few.network_sets = {{"", "nets", {{"set", "a"}}, {*parse_prefix("10.1.0.1/32"), *parse_prefix("10.1.0.3/32")}, {}}};
  Inventory more = few;
  more.network_sets.edit(0, [](NetworkSet& set) { set.nets.push_back(*parse_prefix("10.1.0.9/32")); });
  const Change change = diff(lowered(few), lowered(more));
  const TableChange& v4 = change.tables.at(0);
  ASSERT_EQ(v4.elements.size(), 1U);
  EXPECT_TRUE(v4.elements[0].removed.empty());
  EXPECT_EQ(v4.elements[0].added, (std::vector<Element>{{{10, 1, 0, 9}, {10, 1, 0, 9}}}));
  EXPECT_TRUE(v4.enforce.empty());
}

TEST(Diff, ASetOfAnotherKindIsMadeAnewAndItsRulesWithIt) {
  Inventory single = with_policies(1);
  single.policies.edit(0, from_set_a);
  single.network_sets = {{"", "nets", {{"set", "a"}}, {*parse_prefix("10.1.0.1/32")}, {}}};
  Inventory block = single;
  block.network_sets.edit(0, [](NetworkSet& set) { set.nets = {*parse_prefix("10.1.0.0/31")}; });
  const TableChange v4 = diff(lowered(single), lowered(block)).tables.at(0);
  EXPECT_EQ(v4.fresh_sets.size(), 1U);
  EXPECT_EQ(v4.gone_sets.size(), 1U);
  EXPECT_EQ(v4.enforce.rewritten_chains.size(), 1U) << ::testing::PrintToString(names(v4.enforce.rewritten_chains));
}

TEST(Diff, TheFirstAndTheLastPolicyMakeAndRemoveTables) {
  const Ruleset some = lowered(with_policies(1));
  EXPECT_EQ(diff({}, some).fresh_tables.size(), 2U);
  EXPECT_EQ(diff(some, {}).gone_tables.size(), 2U);
}

}  // namespace
}  // namespace drywall
