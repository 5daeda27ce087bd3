// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/compile.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "policy/compile_rule.h"
#include "policy/essentials.h"
#include "policy/label_index.h"
#include "policy/rule_tag.h"
#include "policy/scoped_selector.h"

namespace drywall {
namespace {

/// The policies of one world: staged ones join the pending world in the place of what they replace.
std::vector<std::shared_ptr<const Policy>> policies_of(const Inventory& inventory, World world) {
  std::set<PolicyId> superseded;
  if (world == World::pending) {
    for (const Policy& policy : inventory.policies) {
      if (!policy.staged_action || *policy.staged_action == StagedAction::ignore) continue;
      superseded.insert({enforced_kind(policy.id.kind), policy.id.ns, policy.id.name});
    }
  }
  const auto takes_part = [&](const Policy& policy) {
    if (!is_staged(policy.id.kind)) return !superseded.contains(policy.id);
    return world == World::pending && policy.staged_action.value_or(StagedAction::set) != StagedAction::remove &&
           policy.staged_action.value_or(StagedAction::set) != StagedAction::ignore;
  };
  std::vector<std::shared_ptr<const Policy>> chosen;
  for (const auto& policy : inventory.policies.elements()) {
    if (takes_part(*policy)) chosen.push_back(policy);
  }
  return chosen;
}

/// Ties of order are broken by "name/namespace/kind", byte by byte (felix/calc/policy_sorter.go). The kind is the one
/// after promotion, so that the pending world has the order that the enforced one will have.
CompileMemo::OrderKey order_key(const Policy& policy) {
  return {policy.order.value_or(std::numeric_limits<double>::infinity()),
          fmt::format("{}/{}/{}", policy.id.name, policy.id.ns, model_kind(enforced_kind(policy.id.kind)))};
}

std::vector<const Tier*> sorted_tiers(const Inventory& inventory) {
  std::vector<const Tier*> tiers;
  for (const Tier& tier : inventory.tiers) tiers.push_back(&tier);
  std::ranges::sort(tiers, {}, [](const Tier* tier) { return std::tie(tier->order, tier->name); });
  return tiers;
}

/// One policy of the world with its place in the order and its compiled rules.
struct Candidate {
  const Policy* policy;
  std::size_t tier;  // position among the sorted tiers
  const Selector& governed;
  PolicyIndex ingress;
  PolicyIndex egress;

  [[nodiscard]] bool governs(Direction direction) const {
    return direction == Direction::ingress ? policy->governs_ingress : policy->governs_egress;
  }
  [[nodiscard]] PolicyIndex rules(Direction direction) const {
    return direction == Direction::ingress ? ingress : egress;
  }
};

/// Which candidates select an endpoint, found by a label that the selector requires, so that most are never asked.
class CandidateIndex {
 public:
  explicit CandidateIndex(const std::vector<Candidate>& candidates) : candidates_(candidates) {
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const auto equality = candidates[i].governed.required_equality();
      auto& place = equality ? by_label_[equality->first + "=" + equality->second] : unindexed_;
      place.push_back(i);
    }
  }

  /// In order of evaluation.
  [[nodiscard]] std::vector<const Candidate*> selecting(const Labels& labels) const {
    std::vector<std::size_t> positions;
    const auto keep_matching = [&](const std::vector<std::size_t>& from) {
      std::ranges::copy_if(from, std::back_inserter(positions),
                           [&](std::size_t i) { return candidates_[i].governed.matches(labels); });
    };
    keep_matching(unindexed_);
    for (const auto& [key, value] : labels) {
      if (const auto found = by_label_.find(key + "=" + value); found != by_label_.end()) keep_matching(found->second);
    }
    std::ranges::sort(positions);
    std::vector<const Candidate*> chosen;
    for (const std::size_t position : positions) chosen.push_back(&candidates_[position]);
    return chosen;
  }

 private:
  const std::vector<Candidate>& candidates_;  // sorted by evaluation
  std::unordered_map<std::string, std::vector<std::size_t>> by_label_;
  std::vector<std::size_t> unindexed_;
};

bool belongs_to(const Policy& policy, Bucket bucket) {
  switch (bucket) {
    case Bucket::untracked:
      return policy.untracked;
    case Bucket::pre_dnat:
      return policy.pre_dnat;
    case Bucket::normal:
      return !policy.untracked && !policy.pre_dnat;
    case Bucket::forward:
      return policy.apply_on_forward && !policy.untracked && !policy.pre_dnat;
  }
  return false;
}

class Compilation {
 public:
  Compilation(const Inventory& inventory, const Host& host, World world, CompileMemo& memo)
      : inventory_(inventory), host_(host), memo_(memo), rules_(memo), tiers_(sorted_tiers(inventory)) {
    plan_.world = world;
    memo_.begin(inventory);
  }

  Plan run() {
    apply_settings();
    plan_exemptions();
    plan_profiles();
    const std::vector<Candidate> candidates = plan_policies();
    const CandidateIndex index(candidates);
    const auto interfaces = host_interfaces();
    for (std::size_t i = 0; i < inventory_.host_endpoints.size(); ++i) add_host(i, index, interfaces[i]);
    for (std::size_t i = 0; i < inventory_.workload_endpoints.size(); ++i) add_workload(i, index);
    return std::move(plan_);
  }

 private:
  void apply_settings() {
    plan_.endpoint_to_host = inventory_.settings.endpoint_to_host.value_or(host_.endpoint_to_host);
    plan_.deny_action = inventory_.settings.deny_action.value_or(host_.deny_action);
    plan_.drop_invalid = inventory_.settings.drop_invalid.value_or(host_.drop_invalid);
    plan_.kernel_log.prefix = inventory_.settings.log_prefix.value_or(plan_.kernel_log.prefix);
    plan_.kernel_log.rate = inventory_.settings.log_rate.value_or(plan_.kernel_log.rate);
    plan_.kernel_log.burst = inventory_.settings.log_burst.value_or(plan_.kernel_log.burst);
    plan_.workload_prefixes = inventory_.settings.workload_prefixes.value_or(host_.workload_prefixes);
  }

  PolicyIndex add(const CompileMemo::KnownRules& rules) {
    for (CompileMemo::KnownSet* const set : rules.sets) {
      if (std::exchange(set->used, memo_.run()) != memo_.run()) plan_.sets.insert(set->index, memo_.current(*set));
    }
    plan_.policies.push_back(rules.planned);
    return static_cast<PolicyIndex>(plan_.policies.size() - 1);
  }
  /// Of what is no policy of the inventory; `name` is its own.
  PolicyIndex add(const std::string& name, PlannedPolicy planned) {
    return add(memo_.keep(fmt::format("{}/{}", name, to_string(planned.direction)), planned, rules_.take_sets()));
  }

  void plan_exemptions() {
    const auto& inbound =
        inventory_.settings.failsafe_inbound ? *inventory_.settings.failsafe_inbound : host_.failsafe_inbound;
    const auto& outbound =
        inventory_.settings.failsafe_outbound ? *inventory_.settings.failsafe_outbound : host_.failsafe_outbound;
    const auto net_set = [&](const Prefix& net) { return rules_.address_set({net}); };
    for (const Direction direction : {Direction::ingress, Direction::egress}) {
      const auto& ports = direction == Direction::ingress ? inbound : outbound;
      const auto& answered = direction == Direction::ingress ? outbound : inbound;
      essentials_[direction] = add("essentials", essentials(direction));
      untracked_essentials_[direction] = add("untracked essentials", untracked_essentials(direction));
      if (!ports.empty()) failsafes_[direction] = add("failsafes", failsafes(direction, ports, net_set));
      if (!ports.empty() || !answered.empty()) {
        untracked_failsafes_[direction] =
            add("untracked failsafes", untracked_failsafes(direction, ports, answered, net_set));
      }
    }
  }

  void plan_profiles() {
    for (const Profile& profile : inventory_.profiles) {
      for (const Direction direction : {Direction::ingress, Direction::egress}) {
        profiles_[direction][profile.name] = add("profile " + profile.name, rules_.compile(profile, direction));
      }
    }
  }

  const CompileMemo::KnownPolicy& known(const std::shared_ptr<const Policy>& policy) {
    CompileMemo::KnownPolicy* known = memo_.find(policy);
    if (known == nullptr) {
      CompileMemo::KnownPolicy made{policy, governed_endpoints(*policy), order_key(*policy), {}, {}, 0};
      for (const Direction direction : {Direction::ingress, Direction::egress}) {
        auto planned = std::make_shared<const PlannedPolicy>(rules_.compile(*policy, direction));
        CompileMemo::KnownRules& rules = direction == Direction::ingress ? made.ingress : made.egress;
        rules = CompileMemo::KnownRules{std::move(planned), rules_.take_sets()};
      }
      known = &memo_.keep(std::move(made));
    }
    known->used = memo_.run();
    return *known;
  }

  /// Sorted by tier, then order.
  std::vector<Candidate> plan_policies() {
    std::unordered_map<std::string_view, std::size_t> tier_position;
    for (std::size_t i = 0; i < tiers_.size(); ++i) tier_position.emplace(tiers_[i]->name, i);
    std::vector<std::pair<std::size_t, const CompileMemo::KnownPolicy*>> sorted;
    for (const auto& policy : policies_of(inventory_, plan_.world)) {
      sorted.emplace_back(tier_position.at(policy->tier), &known(policy));
    }
    std::ranges::sort(sorted, [](const auto& left, const auto& right) {
      return std::tie(left.first, left.second->order) < std::tie(right.first, right.second->order);
    });
    std::vector<Candidate> candidates;
    candidates.reserve(sorted.size());
    for (const auto& [tier, known] : sorted) {
      candidates.push_back({known->source.get(), tier, known->governed, add(known->ingress), add(known->egress)});
    }
    return candidates;
  }

  /// For each host endpoint the interfaces that it governs. An interface has one: the smallest name among those that
  /// name it or, naming none, expect one of its addresses (felix/dataplane/linux/endpoint_mgr.go).
  std::vector<std::vector<std::string>> host_interfaces() const {
    std::map<std::string, std::size_t> owner;  // the inventory is sorted by name: the first claim wins
    const auto& endpoints = inventory_.host_endpoints;
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
      if (!is_local(endpoints[i].node)) continue;
      for (const std::string& name : claimed_interfaces(endpoints[i])) owner.emplace(name, i);
    }
    std::vector<std::vector<std::string>> interfaces(endpoints.size());
    for (const auto& [name, endpoint] : owner) interfaces[endpoint].push_back(name);
    return interfaces;
  }

  std::vector<std::string> claimed_interfaces(const HostEndpoint& endpoint) const {
    if (!endpoint.interface_name.empty()) return {endpoint.interface_name};
    std::vector<std::string> claimed;
    for (const Interface& interface : host_.interfaces) {
      const bool expected = std::ranges::any_of(interface.addresses, [&](const Address& address) {
        return std::ranges::find(endpoint.expected_ips, address) != endpoint.expected_ips.end();
      });
      if (expected) claimed.push_back(interface.name);
    }
    return claimed;
  }

  bool is_local(const std::string& node) const { return host_.node.empty() || node == host_.node; }

  void add_host(std::size_t position, const CandidateIndex& index, const std::vector<std::string>& interfaces) {
    const HostEndpoint& host = inventory_.host_endpoints[position];
    PlannedEndpoint endpoint{
        {EndpointKind::host, "", host.name}, is_local(host.node), interfaces, "", host.expected_ips, {}, {}, host.at};
    if (endpoint.local) {
      const auto chosen = index.selecting(memo_.labels().host_labels(position));
      for (const Bucket bucket : {Bucket::untracked, Bucket::pre_dnat, Bucket::normal, Bucket::forward}) {
        if (bucket == Bucket::untracked && host.interface_name == "*")
          continue;  // as in Calico: doNotTrack needs a name
        for (const Direction direction : {Direction::ingress, Direction::egress}) {
          if (bucket == Bucket::pre_dnat && direction == Direction::egress) continue;
          add_leg(endpoint, leg_of_host(bucket, direction, chosen, host.profiles));
        }
      }
    }
    plan_.endpoints.push_back(std::move(endpoint));
  }

  PlannedLeg leg_of_host(Bucket bucket, Direction direction, const std::vector<const Candidate*>& chosen,
                         const std::vector<std::string>& profiles) {
    PlannedLeg leg{bucket, direction,        std::nullopt, std::nullopt, tiers_of(bucket, direction, chosen),
                   {},     Ending::undecided};
    if (bucket == Bucket::forward) {
      leg.ending = Ending::allow;
      return leg;
    }
    const bool untracked = bucket == Bucket::untracked;
    leg.essentials = (untracked ? untracked_essentials_ : essentials_)[direction];
    const auto& by_direction = untracked ? untracked_failsafes_ : failsafes_;
    if (const auto found = by_direction.find(direction); found != by_direction.end()) leg.failsafes = found->second;
    if (bucket == Bucket::normal) {
      leg.profiles = profiles_named(direction, profiles);
      leg.ending = Ending::deny;
    }
    return leg;
  }

  void add_workload(std::size_t position, const CandidateIndex& index) {
    const WorkloadEndpoint& workload = inventory_.workload_endpoints[position];
    PlannedEndpoint endpoint{{EndpointKind::workload, workload.ns, workload.name},
                             is_local(workload.node),
                             {},
                             "",
                             workload.addresses,
                             workload.allowed_spoofed_sources,
                             {},
                             workload.at};
    if (endpoint.local) {
      endpoint.bridge = host_.bridge_of(workload.interface_name);
      if (!workload.interface_name.empty() && endpoint.bridge.empty()) endpoint.interfaces = {workload.interface_name};
      const auto chosen = index.selecting(memo_.labels().workload_labels(position));
      for (const Direction direction : {Direction::ingress, Direction::egress}) {
        add_leg(endpoint,
                {Bucket::normal, direction, std::nullopt, std::nullopt, tiers_of(Bucket::normal, direction, chosen),
                 profiles_named(direction, workload.profiles), Ending::deny});
      }
    }
    plan_.endpoints.push_back(std::move(endpoint));
  }

  /// A leg of a bucket that no policy speaks of does not exist, but the normal one always does: it denies.
  static void add_leg(PlannedEndpoint& endpoint, PlannedLeg leg) {
    if (leg.bucket != Bucket::normal && leg.tiers.empty()) return;
    endpoint.legs.push_back(std::move(leg));
  }

  std::vector<PolicyIndex> profiles_named(Direction direction, const std::vector<std::string>& names) {
    std::vector<PolicyIndex> found;
    for (const std::string& name : names) {
      // A profile that nobody defines denies, as in Calico: it is an ordinary profile without rules.
      const auto [known, is_new] = profiles_[direction].emplace(name, 0);
      if (is_new) known->second = add("profile " + name, {{PolicyKind::profile, "", name}, "", direction, {}, {}});
      found.push_back(known->second);
    }
    return found;
  }

  std::vector<PlannedTier> tiers_of(Bucket bucket, Direction direction, const std::vector<const Candidate*>& chosen) {
    std::vector<PlannedTier> planned;
    std::optional<std::size_t> open;
    for (const Candidate* candidate : chosen) {
      if (!candidate->governs(direction) || !belongs_to(*candidate->policy, bucket)) continue;
      if (open != candidate->tier) {
        planned.push_back({tiers_[candidate->tier]->name, {}, {}});
        open = candidate->tier;
      }
      planned.back().policies.push_back(candidate->rules(direction));
    }
    for (PlannedTier& tier : planned) tier.end = end_of(tier, bucket, direction);
    return planned;
  }

  /// The enforced world blames a tier's last policy, the pending one its first, as Calico does. Untracked
  /// and preDNAT policy never ends in a deny.
  EndOfTier end_of(const PlannedTier& tier, Bucket bucket, Direction direction) const {
    const bool falls_through = bucket == Bucket::untracked || bucket == Bucket::pre_dnat;
    const auto found = std::ranges::find(tiers_, tier.name, &Tier::name);
    const PolicyIndex blamed = plan_.world == World::enforced ? tier.policies.back() : tier.policies.front();
    return {falls_through ? Action::pass : (*found)->default_action, blamed,
            rule_id(plan_.policies[blamed].id, direction, -1)};
  }

  const Inventory& inventory_;
  const Host& host_;
  CompileMemo& memo_;
  RuleCompiler rules_;
  std::vector<const Tier*> tiers_;
  Plan plan_;
  std::map<Direction, PolicyIndex> essentials_;
  std::map<Direction, PolicyIndex> failsafes_;
  std::map<Direction, PolicyIndex> untracked_essentials_;
  std::map<Direction, PolicyIndex> untracked_failsafes_;
  std::map<Direction, std::unordered_map<std::string, PolicyIndex>> profiles_;
};

}  // namespace

std::string Host::bridge_of(const std::string& interface) const {
  const auto found = std::ranges::find(interfaces, interface, &Interface::name);
  return found == interfaces.end() ? "" : found->bridge;
}

Plan compile(const Inventory& inventory, const Host& host, World world) {
  CompileMemo memo;
  return compile(inventory, host, world, memo);
}

Plan compile(const Inventory& inventory, const Host& host, World world, CompileMemo& memo) {
  return Compilation(inventory, host, world, memo).run();
}

}  // namespace drywall
