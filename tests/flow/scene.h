// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flow/flow_table.h"
#include "flow/trace_book.h"
#include "policy/plan.h"
#include "policy/rule_tag.h"

// A small host with both worlds, made by hand: what the tests of flow/, the fuzzer and the bench talk about.
//
//   eth0 (index 2)  host endpoint edge, 192.0.2.1
//     ingress   failsafe tcp 22; tier security: guard 0 denies tcp 23, 1 passes tcp; tier default: web 0 allows tcp 80.
//               Pending: staged audit before web, 0 denies tcp 80 from 198.51.100.0/24.
//     egress    profile open 0 allows. The same in both worlds.
//     untracked ingress: ntp 0 allows udp 123, undecided otherwise. The same in both worlds.
//     forward   ingress: only in the pending world: staged lid 0 denies tcp 5432
//   cali1 (index 3) workload shop/a, 10.1.0.1
//     egress    tier default: out 0 allows tcp. Pending: staged no-db before it, 0 denies tcp 5432.
//   cali2 (index 4) workload shop/b, 10.1.0.2
//     ingress   tier default: in-1 0 allows tcp 5432, in-2 0 allows tcp 80. The same in both worlds, but the end of
//     tier
//               blames in-2, in the pending world in-1.

namespace drywall::test {

inline Timestamp at_ms(std::int64_t milliseconds) {  // after some full minute in 2026
  return Timestamp{std::chrono::seconds{1'790'000'040} + std::chrono::milliseconds{milliseconds}};
}

/// What one rule of a test's policy does.
struct RuleText {
  Action action;
  std::vector<Predicate> all_of;
};

class PlanMaker {
 public:
  explicit PlanMaker(World world) { plan_.world = world; }

  PolicyIndex policy(PolicyId id, std::string tier, Direction direction, std::vector<RuleText> rules) {
    PlannedPolicy made{std::move(id), std::move(tier), direction, {}, {"policy.yaml", 1, 1}};
    std::int32_t index = 0;
    for (RuleText& rule : rules) {
      const SourceLocation at{"policy.yaml", static_cast<std::uint32_t>(10 + index), 5};
      made.rules.push_back({rule.action, index, rule_id(made.id, direction, index), std::move(rule.all_of), at});
      ++index;
    }
    plan_.policies.push_back(std::move(made));
    return static_cast<PolicyIndex>(plan_.policies.size() - 1);
  }

  PlannedTier tier(std::string name, std::vector<PolicyIndex> policies, Action end, PolicyIndex blamed) const {
    const PlannedPolicy& whose = plan_.policies[blamed];
    return {std::move(name), std::move(policies), {end, blamed, rule_id(whose.id, whose.direction, -1)}};
  }

  SetIndex addresses(std::string_view prefix) {
    const std::vector<Prefix> prefixes{parse_prefix(prefix).value()};
    const SetIndex index = plan_.sets.size();
    plan_.sets.insert(
        index, std::make_shared<const PlannedSet>(PlannedSet{"nets " + std::string{prefix}, AddressSet{prefixes}}));
    return index;
  }

  PlannedEndpoint& endpoint(EndpointId id, std::string interface, std::vector<Address> addresses) {
    PlannedEndpoint made;
    made.id = std::move(id);
    made.interfaces = {std::move(interface)};
    made.addresses = std::move(addresses);
    plan_.endpoints.push_back(std::move(made));
    return plan_.endpoints.back();
  }

  Plan& plan() { return plan_; }
  std::shared_ptr<const Plan> take() { return std::make_shared<const Plan>(std::move(plan_)); }

 private:
  Plan plan_;
};

inline std::vector<Predicate> tcp_port(std::uint16_t port) {
  return {ProtocolIs{protocol::tcp}, PortIn{Side::destination, {{port, port}}, std::nullopt}};
}

// The policies of the scene.
inline const PolicyId guard{PolicyKind::global_network_policy, "", "security.guard"};
inline const PolicyId web{PolicyKind::global_network_policy, "", "default.web"};
inline const PolicyId audit{PolicyKind::staged_global_network_policy, "", "default.audit"};
inline const PolicyId ntp{PolicyKind::global_network_policy, "", "default.ntp"};
inline const PolicyId lid{PolicyKind::staged_global_network_policy, "", "default.lid"};
inline const PolicyId open_profile{PolicyKind::profile, "", "open"};
inline const PolicyId failsafe{PolicyKind::failsafe, "", "inbound"};
inline const PolicyId out{PolicyKind::network_policy, "shop", "out"};
inline const PolicyId no_db{PolicyKind::staged_network_policy, "shop", "no-db"};
inline const PolicyId in_1{PolicyKind::network_policy, "shop", "in-1"};
inline const PolicyId in_2{PolicyKind::network_policy, "shop", "in-2"};

inline void add_host_legs(PlanMaker& maker, PlannedEndpoint& edge, bool is_pending) {
  const auto in = Direction::ingress;
  const PolicyIndex safe = maker.policy(failsafe, "", in, {{Action::allow, tcp_port(22)}});
  const PolicyIndex first =
      maker.policy(guard, "security", in, {{Action::deny, tcp_port(23)}, {Action::pass, {ProtocolIs{protocol::tcp}}}});
  const PolicyIndex last = maker.policy(web, "default", in, {{Action::allow, tcp_port(80)}});
  std::vector<PolicyIndex> default_policies{last};
  if (is_pending) {
    std::vector<Predicate> all_of = tcp_port(80);
    all_of.push_back(AddressIn{Side::source, maker.addresses("198.51.100.0/24")});
    default_policies.insert(default_policies.begin(), maker.policy(audit, "default", in, {{Action::deny, all_of}}));
  }
  PlannedLeg ingress{Bucket::normal, in, std::nullopt, safe, {}, {}, Ending::deny};
  ingress.tiers.push_back(maker.tier("security", {first}, Action::deny, first));
  ingress.tiers.push_back(maker.tier("default", default_policies, Action::deny, default_policies.front()));
  edge.legs.push_back(ingress);

  const PolicyIndex profile = maker.policy(open_profile, "", Direction::egress, {{Action::allow, {}}});
  edge.legs.push_back({Bucket::normal, Direction::egress, std::nullopt, std::nullopt, {}, {profile}, Ending::deny});

  const PolicyIndex clock = maker.policy(
      ntp, "default", in,
      {{Action::allow, {ProtocolIs{protocol::udp}, PortIn{Side::destination, {{123, 123}}, std::nullopt}}}});
  edge.legs.push_back({Bucket::untracked,
                       in,
                       std::nullopt,
                       std::nullopt,
                       {maker.tier("default", {clock}, Action::pass, clock)},
                       {},
                       Ending::undecided});
  if (is_pending) {
    const PolicyIndex cover = maker.policy(lid, "default", in, {{Action::deny, tcp_port(5432)}});
    edge.legs.push_back({Bucket::forward,
                         in,
                         std::nullopt,
                         std::nullopt,
                         {maker.tier("default", {cover}, Action::pass, cover)},
                         {},
                         Ending::allow});
  }
}

inline void add_workload_legs(PlanMaker& maker, PlannedEndpoint& a, PlannedEndpoint& b, bool is_pending) {
  std::vector<PolicyIndex> sending{
      maker.policy(out, "default", Direction::egress, {{Action::allow, {ProtocolIs{protocol::tcp}}}})};
  if (is_pending) {
    sending.insert(sending.begin(),
                   maker.policy(no_db, "default", Direction::egress, {{Action::deny, tcp_port(5432)}}));
  }
  a.legs.push_back({Bucket::normal,
                    Direction::egress,
                    std::nullopt,
                    std::nullopt,
                    {maker.tier("default", sending, Action::deny, sending.front())},
                    {},
                    Ending::deny});
  const PolicyIndex first = maker.policy(in_1, "default", Direction::ingress, {{Action::allow, tcp_port(5432)}});
  const PolicyIndex second = maker.policy(in_2, "default", Direction::ingress, {{Action::allow, tcp_port(80)}});
  b.legs.push_back({Bucket::normal,
                    Direction::ingress,
                    std::nullopt,
                    std::nullopt,
                    {maker.tier("default", {first, second}, Action::deny, is_pending ? first : second)},
                    {},
                    Ending::deny});
}

/// `promoted`: the pending world is the enforced one (nothing is staged any more).
inline std::shared_ptr<const Plan> scene_plan(World world, bool promoted = false) {
  PlanMaker maker{world};
  maker.plan().endpoints.reserve(3);
  auto& edge = maker.endpoint({EndpointKind::host, "", "edge"}, "eth0", {parse_address("192.0.2.1").value()});
  auto& a = maker.endpoint({EndpointKind::workload, "shop", "a"}, "cali1", {parse_address("10.1.0.1").value()});
  auto& b = maker.endpoint({EndpointKind::workload, "shop", "b"}, "cali2", {parse_address("10.1.0.2").value()});
  const bool has_staged = world == World::pending && !promoted;
  add_host_legs(maker, edge, has_staged);
  add_workload_legs(maker, a, b, has_staged);
  return maker.take();
}

inline Inventory scene_inventory() {
  Inventory inventory;
  WorkloadEndpoint a;
  a.ns = "shop";
  a.name = "a";
  a.labels = {{"app", "front"}};
  inventory.workload_endpoints.push_back(a);
  HostEndpoint edge;
  edge.name = "edge";
  edge.labels = {{"role", "edge"}};
  inventory.host_endpoints.push_back(edge);
  NetworkSet partners;
  partners.name = "partners";
  partners.nets = {parse_prefix("198.51.100.0/24").value()};
  inventory.network_sets.push_back(partners);
  return inventory;
}

inline std::shared_ptr<const TraceBook> scene_book(std::uint64_t generation = 1, bool promoted = false) {
  return std::make_shared<const TraceBook>(generation, scene_plan(World::enforced),
                                           scene_plan(World::pending, promoted), scene_inventory());
}

inline std::string_view interface_name(std::uint32_t index) {
  switch (index) {
    case 2:
      return "eth0";
    case 3:
      return "cali1";
    case 4:
      return "cali2";
    default:
      return "";
  }
}

}  // namespace drywall::test
