// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/lower.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <set>
#include <sstream>

#include "render/nft_text.h"
#include "tests/render/plan_builder.h"

namespace drywall {
namespace {

using test::global_policy;
using test::here;
using test::host_endpoint;
using test::staged;

Ruleset lowered(const Inventory& inventory, const RenderOptions& options = {}) {
  const auto ruleset =
      lower(compile(inventory, here(), World::enforced), compile(inventory, here(), World::pending), options);
  EXPECT_TRUE(ruleset.has_value());
  return ruleset.value_or(Ruleset{});
}

Inventory one_host() {
  Inventory inventory = test::empty_inventory();
  inventory.host_endpoints = {host_endpoint("h", "eth0")};
  return inventory;
}

const Chain<Stance::observe>* pending_chain(const Ruleset& ruleset, const std::string& name) {
  for (const auto& chain : ruleset.tables.at(0).observe.chains) {
    if (chain.name.text == name) return &chain;
  }
  return nullptr;
}

TEST(Lower, NothingToGovernMakesNoTable) {
  EXPECT_TRUE(lowered(test::empty_inventory()).tables.empty());
}

TEST(Lower, WithoutStagedPolicyThereIsNoPendingChain) {
  Inventory inventory = one_host();
  inventory.policies = {global_policy("p", Action::allow)};
  for (const Table& table : lowered(inventory).tables) EXPECT_TRUE(table.observe.chains.empty());
}

TEST(Lower, AStagedPolicyIsObservedOnlyInTheDirectionThatItGoverns) {
  Inventory inventory = one_host();
  inventory.policies = {staged(global_policy("p", Action::deny))};
  const Ruleset ruleset = lowered(inventory);
  EXPECT_NE(pending_chain(ruleset, "pending-input-host"), nullptr);
  EXPECT_EQ(pending_chain(ruleset, "pending-output-host"), nullptr);
}

TEST(Lower, AnIgnoredStagedPolicyIsNotObserved) {
  Inventory inventory = one_host();
  inventory.policies = {staged(global_policy("p", Action::deny), StagedAction::ignore)};
  EXPECT_TRUE(lowered(inventory).tables.at(0).observe.chains.empty());
}

// Connection tracking and NAT stand between the stages: what is pending after them cannot come before.
TEST(Lower, EveryPendingBaseChainRunsBeforeEveryEnforcedOneOfItsHookAndStage) {
  constexpr std::int32_t widest_stage = 20;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    for (const Table& table : lowered(test::RandomInventory(seed).make()).tables) {
      for (const auto& pending : table.observe.chains) {
        for (const auto& enforced : table.enforce.chains) {
          if (!pending.base || !enforced.base || pending.base->hook != enforced.base->hook) continue;
          if (pending.base->priority > enforced.base->priority + widest_stage) continue;
          EXPECT_LT(pending.base->priority, enforced.base->priority) << "seed " << seed;
        }
      }
    }
  }
}

TEST(Lower, NoTwoBaseChainsShareHookAndPriority) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    for (const Table& table : lowered(test::RandomInventory(seed).make()).tables) {
      std::set<BaseHook> seen;
      for (const auto& chain : table.observe.chains) {
        if (chain.base) {
          EXPECT_TRUE(seen.insert(*chain.base).second) << chain.name.text;
        }
      }
      for (const auto& chain : table.enforce.chains) {
        if (chain.base) {
          EXPECT_TRUE(seen.insert(*chain.base).second) << chain.name.text;
        }
      }
    }
  }
}

/// The text of the pending layer alone, as nft would load it.
std::string observe_text(const Table& table) {
  return nft_text({{Table{table.family, table.sets, table.limiters, {}, table.observe}}});
}

// The types already forbid it; this reads what actually comes out, so that a new word in the text is noticed too.
TEST(Lower, AnObserveRulesetHasNoWordThatChangesAPacketOrItsFate) {
  const std::regex forbidden(
      R"(\b(drop|reject|queue|mark|set\s+\d|notrack|dnat to|snat|masquerade|redirect|dup|fwd|synproxy|tproxy|flow|ct helper|mangle|ttl set|priority set)\b)");
  std::size_t layers = 0;
  for (std::uint64_t seed = 0; seed < 120; ++seed) {
    for (const Table& table : lowered(test::RandomInventory(seed).make()).tables) {
      if (table.observe.chains.empty()) continue;
      ++layers;
      std::istringstream lines(observe_text(table));
      for (std::string line; std::getline(lines, line);) {
        const std::string rule = line.substr(0, line.find(" comment "));
        if (rule.find("delete table") != std::string::npos) continue;
        EXPECT_FALSE(std::regex_search(rule, forbidden)) << "seed " << seed << ": " << line;
      }
    }
  }
  EXPECT_GT(layers, 40U);
}

template <Stance S>
int depth_below(const Layer<S>& layer, const std::string& name, int budget) {
  if (budget == 0) return 1000;
  int deepest = 0;
  const auto visit = [&](const std::string& next) {
    deepest = std::max(deepest, depth_below(layer, next, budget - 1));
  };
  for (const auto& chain : layer.chains) {
    if (chain.name.text != name) continue;
    for (const auto& rule : chain.rules) {
      if (const auto* jump = std::get_if<Jump<S>>(&rule.end)) visit(jump->to.text);
      if (const auto* go = std::get_if<Goto<S>>(&rule.end)) visit(go->to.text);
      if (const auto* dispatch = std::get_if<Dispatch<S>>(&rule.end)) {
        for (const auto& map : layer.maps) {
          if (map.name != dispatch->map) continue;
          for (const auto& entry : map.entries) {
            if (const auto* to = std::get_if<Goto<S>>(&entry.verdict)) visit(to->to.text);
          }
        }
      }
    }
  }
  return deepest + 1;
}

TEST(Lower, ChainsNestAtMostFiveDeepHoweverManyTiers) {
  Inventory inventory = one_host();
  for (int i = 0; i < 60; ++i) {
    inventory.tiers.push_back({"t" + std::to_string(i), static_cast<double>(i), Action::pass, {}});
    Policy policy = global_policy("p" + std::to_string(i), Action::allow);
    policy.tier = inventory.tiers.back().name;
    inventory.policies.push_back(policy);
  }
  EXPECT_EQ(depth_below(lowered(inventory).tables.at(0).enforce, "enforced-input-host", 20), 5);
}

TEST(Lower, LogEnforcedNoneLogsOnlyThePendingWorld) {
  Inventory inventory = one_host();
  inventory.policies = {global_policy("e", Action::allow), staged(global_policy("p", Action::deny))};
  RenderOptions options;
  options.log_enforced = LogEnforced::none;
  const Ruleset ruleset = lowered(inventory, options);
  for (const auto& chain : ruleset.tables.at(0).enforce.chains) {
    for (const auto& rule : chain.rules) EXPECT_FALSE(rule.log.has_value()) << chain.name.text;
  }
  EXPECT_NE(observe_text(ruleset.tables.at(0)).find("log prefix"), std::string::npos);
}

TEST(Lower, AnInterfaceOfAnotherEndpointNeverFallsToTheWildcard) {
  Inventory inventory = one_host();
  inventory.host_endpoints.push_back(host_endpoint("z-all", "*"));
  const Ruleset ruleset = lowered(inventory);
  const auto& maps = ruleset.tables.at(0).enforce.maps;
  const auto input = std::ranges::find(maps, "enforced-input-host", &VerdictMap<Stance::enforce>::name);
  ASSERT_NE(input, maps.end());
  EXPECT_EQ(input->entries.size(), 1U);
}

TEST(Lower, RejectIsADropWherePostroutingLeads) {
  Inventory inventory = one_host();
  inventory.settings.deny_action = DenyAction::reject;
  const Ruleset ruleset = lowered(inventory);
  for (const auto& chain : ruleset.tables.at(0).enforce.chains) {
    if (!chain.name.text.ends_with("-postrouting")) continue;
    for (const auto& rule : chain.rules) EXPECT_FALSE(std::holds_alternative<Reject>(rule.end));
  }
  EXPECT_NE(nft_text(ruleset).find("reject"), std::string::npos);
}

TEST(Lower, ManyRulesOfOnePortEachBecomeOneLookup) {
  Inventory inventory = one_host();
  Policy policy = global_policy("p", Action::allow);
  policy.ingress.clear();
  for (const auto port : std::array<std::uint16_t, 9>{1, 2, 3, 4, 5, 6, 7, 8, 1}) {
    Rule rule = test::rule(Action::deny);
    rule.protocol = protocol::tcp;
    rule.destination.ports.ranges = {{port, port}};
    policy.ingress.push_back(rule);
  }
  inventory.policies = {policy};
  const Ruleset ruleset = lowered(inventory);
  const auto& layer = ruleset.tables.at(0).enforce;
  const auto chain =
      std::ranges::find_if(layer.chains, [](const auto& c) { return c.name.text.starts_with("eni-tier-"); });
  ASSERT_NE(chain, layer.chains.end());
  ASSERT_EQ(chain->rules.size(), 2U);  // and the end of the tier
  const auto& lookup = std::get<Dispatch<Stance::enforce>>(chain->rules[0].end);
  const auto map = std::ranges::find(layer.maps, lookup.map, &VerdictMap<Stance::enforce>::name);
  ASSERT_NE(map, layer.maps.end());
  ASSERT_EQ(map->entries.size(), 8U);  // the ninth rule repeats the first one's port: it is never reached
  const auto& first = std::get<Goto<Stance::enforce>>(map->entries[0].verdict);
  EXPECT_EQ(first.to.text, to_string(RuleTag{World::enforced, LegPoint::host, Direction::ingress, Action::deny,
                                             rule_id(policy.id, Direction::ingress, 0)}));
}

/// The rules that a packet of TCP port 80 is asked by, once a lookup has found its port.
std::vector<std::string> rules_of_port_80(const Ruleset& ruleset) {
  std::istringstream lines(nft_text(ruleset));
  std::vector<std::string> found;
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("  chain eni-tier-") == 0 && line.find("-6-80 {") != std::string::npos && found.empty()) {
      inside = true;
    } else if (inside && line == "  }") {
      inside = false;
    } else if (inside) {
      found.push_back(line.substr(4, std::max<std::size_t>(line.find("goto"), 5) - 5));
    }
  }
  return found;
}

TEST(Lower, ALookupByPortKeepsTheRulesThatConcernThePortInTheirOrder) {
  Inventory inventory = one_host();
  Policy policy = global_policy("p", Action::allow);
  policy.ingress.clear();
  const auto add = [&](std::optional<Protocol> protocol, std::vector<PortRange> ports, const char* source) {
    Rule rule = test::rule(Action::deny);
    rule.protocol = protocol;
    rule.destination.ports.ranges = std::move(ports);
    if (source != nullptr) rule.source.nets = {*parse_prefix(source)};
    policy.ingress.push_back(rule);
  };
  add(protocol::tcp, {{80, 80}}, "10.1.0.0/16");
  add(protocol::udp, {}, nullptr);                  // never a packet of TCP
  add(protocol::tcp, {{70, 90}}, "10.2.0.0/16");    // holds of port 80
  add(protocol::tcp, {{100, 200}}, "10.3.0.0/16");  // does not
  add({}, {}, "10.4.0.0/16");
  for (const std::uint16_t port : std::array<std::uint16_t, 5>{1, 2, 3, 4, 5})
    add(protocol::tcp, {{port, port}}, nullptr);
  add(protocol::tcp, {{80, 80}}, nullptr);  // ends every packet's way
  add(protocol::tcp, {{80, 80}}, "10.5.0.0/16");
  inventory.policies = {policy};
  EXPECT_EQ(rules_of_port_80(lowered(inventory)),
            (std::vector<std::string>{"ip saddr & 255.255.0.0 == 10.1.0.0", "ip saddr & 255.255.0.0 == 10.2.0.0",
                                      "ip saddr & 255.255.0.0 == 10.4.0.0", ""}));
}

}  // namespace
}  // namespace drywall
