// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <random>
#include <string>
#include <vector>

#include "policy/compile.h"
#include "policy/model.h"

// Inventories made in code, small by hand or large at random, for tests that need plans but no YAML.

namespace drywall::test {

inline Rule rule(Action action) {
  Rule made;
  made.action = action;
  made.at = {"test.yaml", 7, 3};
  return made;
}

inline Policy global_policy(std::string name, Action ingress_action) {
  Policy policy;
  policy.id = {PolicyKind::global_network_policy, "", std::move(name)};
  policy.governs_ingress = true;
  policy.ingress = {rule(ingress_action)};
  policy.at = {"test.yaml", 1, 1};
  return policy;
}

inline Policy staged(Policy policy, StagedAction action = StagedAction::set) {
  policy.id.kind = PolicyKind::staged_global_network_policy;
  policy.staged_action = action;
  return policy;
}

inline HostEndpoint host_endpoint(std::string name, std::string interface) {
  HostEndpoint host;
  host.name = std::move(name);
  host.interface_name = std::move(interface);
  host.node = "here";
  host.labels = {{"role", "host"}};
  return host;
}

inline WorkloadEndpoint workload_endpoint(std::string name, std::string interface, Address address) {
  WorkloadEndpoint workload;
  workload.ns = "default";
  workload.name = std::move(name);
  workload.interface_name = std::move(interface);
  workload.node = "here";
  workload.labels = {{"projectcalico.org/namespace", "default"}, {"projectcalico.org/orchestrator", "k8s"}};
  workload.addresses = {address};
  workload.ports = {{"web", protocol::tcp, 80}};
  return workload;
}

inline Inventory empty_inventory() {
  Inventory inventory;
  inventory.tiers = {{"default", 1'000'000, Action::deny, {}}};
  return inventory;
}

/// Everything that the language has, chosen at random; the same seed gives the same inventory.
class RandomInventory {
 public:
  explicit RandomInventory(std::uint64_t seed) : random_(seed) {}

  Inventory make() {
    Inventory inventory;
    const std::size_t tiers = 1 + below(4);
    for (std::size_t i = 0; i < tiers; ++i) {
      inventory.tiers.push_back(
          {"tier" + std::to_string(i), static_cast<double>(below(5)), chance(3) ? Action::pass : Action::deny, {}});
    }
    inventory.host_endpoints = {host_endpoint("eth0", "eth0"), host_endpoint("all", "*")};
    inventory.workload_endpoints = {workload_endpoint("w1", "cali1", *parse_address("10.0.0.1")),
                                    workload_endpoint("w2", "cali2", *parse_address("fd00::2"))};
    inventory.network_sets = {
        {"", "nets", {{"set", "a"}}, {*parse_prefix("10.1.0.0/16"), *parse_prefix("fd01::/64")}, {}},
        {"", "all", {{"set", "b"}}, {*parse_prefix("0.0.0.0/0")}, {}}};
    inventory.profiles = {{"open", {}, {rule(Action::allow)}, {rule(Action::allow)}, {}}};
    inventory.host_endpoints[0].profiles = {"open"};
    const std::size_t policies = below(8);
    for (std::size_t i = 0; i < policies; ++i) inventory.policies.push_back(policy(i, tiers));
    return inventory;
  }

 private:
  std::size_t below(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_); }
  bool chance(std::size_t one_in) { return below(one_in) == 0; }

  Policy policy(std::size_t number, std::size_t tiers) {
    Policy made = global_policy("p" + std::to_string(number), Action::allow);
    made.tier = "tier" + std::to_string(below(tiers));
    if (!chance(4)) made.order = static_cast<double>(below(3));
    made.governs_egress = chance(2);
    made.apply_on_forward = chance(3);
    if (made.apply_on_forward && chance(3)) {
      made.untracked = true;
    } else if (made.apply_on_forward && chance(2)) {
      made.pre_dnat = true;
      made.governs_egress = false;
    }
    made.ingress = rules();
    if (!made.pre_dnat) made.egress = rules();
    if (chance(2)) return staged(std::move(made), chance(5) ? StagedAction::remove : StagedAction::set);
    return made;
  }

  std::vector<Rule> rules() {
    std::vector<Rule> made;
    const std::size_t count = below(5);
    for (std::size_t i = 0; i < count; ++i) made.push_back(random_rule());
    return made;
  }

  Rule random_rule() {
    constexpr std::array actions{Action::allow, Action::deny, Action::pass, Action::log};
    Rule made = rule(actions[below(actions.size())]);
    if (chance(3)) {
      made.protocol = chance(2) ? protocol::tcp : protocol::udp;
      if (chance(2)) made.destination.ports.ranges = {{80, 80}};
      if (chance(3)) made.destination.ports.ranges.push_back({1000, 2000});
      if (chance(3)) made.source.not_ports.ranges = {{5, 9}};
      if (chance(3)) made.destination.ports.names = {"web"};
    } else if (chance(3)) {
      made.icmp = IcmpMatch{8, chance(2) ? std::optional<std::uint8_t>(0) : std::nullopt};
    } else if (chance(3)) {
      made.not_icmp = IcmpMatch{8, chance(2) ? std::optional<std::uint8_t>(0) : std::nullopt};
    } else if (chance(3)) {
      made.destination.not_ports.names = {"web"};
    }
    if (chance(4)) made.not_protocol = protocol::sctp;
    if (chance(3)) made.source.nets = {*parse_prefix("10.0.0.0/24")};
    if (chance(4)) made.destination.not_nets = {*parse_prefix("10.2.0.0/16"), *parse_prefix("10.9.0.1/32")};
    if (!made.source.nets.empty() || !made.destination.not_nets.empty()) made.family = Family::v4;
    if (chance(4)) made.source.selector = Selector::equals("set", chance(2) ? "a" : "b");
    if (chance(5)) made.destination.not_selector = Selector::equals("set", "a");
    return made;
  }

  std::mt19937_64 random_;
};

inline Host here() {
  Host host;
  host.node = "here";
  host.failsafe_inbound = default_failsafe_inbound();
  host.failsafe_outbound = default_failsafe_outbound();
  return host;
}

}  // namespace drywall::test
