// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "policy/rule_tag.h"
#include "render/bytes.h"
#include "render/chain_pool.h"
#include "render/earlier_buckets.h"
#include "render/hook_plan.h"
#include "render/kernel_log.h"
#include "render/leaf_builder.h"
#include "render/lower.h"
#include "render/lower_match.h"
#include "render/name.h"
#include "render/port_index.h"

namespace drywall {

/// From a workload to the host: neighbour and router solicitation and listener reports, never a router advertisement or
/// redirect, which would change the host's routes.
inline std::vector<std::uint8_t> workload_discovery_types() {
  return {130, 131, 132, 133, 135, 136};
}

/// What no other policy has; in files two kinds are called NetworkPolicy.
inline std::string identity_of(const PolicyId& id) {
  return fmt::format("{}/{}/{}", model_kind(id.kind), id.ns, id.name);
}

/// Builds one family's chains of one world. Chains are made on first use and shared: a leaf by its tag, a policy by its
/// leg, a tier by its list of policies.
template <Stance S>
class LayerBuilder {
 public:
  LayerBuilder(const Plan& plan, Family family, const RenderOptions& options, SetPool& sets, ChainMemo<S>& memo)
      : plan_(plan),
        family_(family),
        options_(options),
        sets_(sets),
        chains_(memo, sets),
        leaves_(plan, family, options, sets, chains_),
        earlier_(plan, family, sets, chains_, leaves_),
        is_fan_out_small_(has_small_fan_out(plan)) {}
  LayerBuilder(const LayerBuilder&) = delete;
  LayerBuilder& operator=(const LayerBuilder&) = delete;

  /// The chain of one endpoint's leg.
  ChainName<S> endpoint_chain(const LegHook& hook, const PlacedLeg& placed) {
    const EndpointId& id = placed.endpoint->id;
    const std::string identity = fmt::format("{}/{}/{}", static_cast<int>(id.kind), id.ns, id.name);
    // Not shared with the chain for what the workload sends elsewhere: that must not have the exemption.
    const char* what = spares_discovery(hook) ? "-endpoint-to-host" : "-endpoint";
    return chains_.chain(readable_name(role_of(plan_, hook) + what, id.name, identity), origin_of(hook, placed),
                         [&](auto& rules) { write_endpoint(rules, hook, placed); });
  }

  void add_base(const LegHook& hook, std::vector<NftRule<S>> rules) {
    const std::int32_t place = plan_.world == World::enforced ? hook.enforced_place : hook.pending_place;
    chains_.add_base(fmt::format("{}-{}", to_string(plan_.world), hook.name),
                     base_hook(hook.hook, hook.stage, place, options_.priorities), std::move(rules));
  }

  ChainPool<S>& chains() { return chains_; }
  [[nodiscard]] World world() const { return plan_.world; }
  [[nodiscard]] const Plan& plan() const { return plan_; }

 private:
  void write_endpoint(std::vector<NftRule<S>>& rules, const LegHook& hook, const PlacedLeg& placed) {
    add_safe_whatever(rules, hook, placed);
    earlier_.ask_again(rules, hook, placed);
    add_exemptions(rules, hook, placed);
    for (const PlannedTier& tier : placed.leg->tiers) rules.push_back(rule_ending<S>(Jump<S>{tier_chain(hook, tier)}));
    for (const PolicyIndex profile : placed.leg->profiles) {
      rules.push_back(rule_ending<S>(Jump<S>{policy_chain(hook, profile)}));
    }
    if (placed.leg->ending == Ending::deny) {
      rules.push_back(rule_ending<S>(
          Goto<S>{leaves_.leaf(hook, Action::deny, no_profile_id(hook.direction), "no profile matched", {})}));
    }
  }

  /// All that write_endpoint() asks for.
  ChainOrigin origin_of(const LegHook& hook, const PlacedLeg& placed) const {
    const PlannedEndpoint& endpoint = *placed.endpoint;
    ChainOrigin origin;
    origin.text = fmt::format("{} {} {} {} {} {}", hook.name, endpoint.bridge, has_untracked(endpoint), placed.observed,
                              static_cast<int>(placed.leg->ending), is_fan_out_small_);
    for (const Bucket bucket : buckets_before(bucket_of(hook.point), hook.direction)) {
      if (const PlannedLeg* earlier = endpoint.leg(bucket, hook.direction)) add_origin(origin, *earlier);
    }
    add_origin(origin, *placed.leg);
    return origin;
  }

  void add_origin(ChainOrigin& origin, const PlannedLeg& leg) const {
    const auto add = [&](PolicyIndex index) { origin.policies.push_back(plan_.policies.shared(index)); };
    origin.text += fmt::format(" | {} {} {} {}", static_cast<int>(leg.bucket), leg.essentials.has_value(),
                               leg.failsafes.has_value(), leg.profiles.size());
    if (leg.essentials) add(*leg.essentials);
    if (leg.failsafes) add(*leg.failsafes);
    for (const PlannedTier& tier : leg.tiers) {
      origin.text +=
          fmt::format(" {}/{}/{}/{}", tier.name, tier.end.id, to_string(tier.end.action), tier.policies.size());
      for (const PolicyIndex index : tier.policies) add(index);
    }
    for (const PolicyIndex profile : leg.profiles) add(profile);
  }

  /// What even an earlier bucket is not asked about: of it that bucket saw another packet, or another direction.
  void add_safe_whatever(std::vector<NftRule<S>>& rules, const LegHook& hook, const PlacedLeg& placed) {
    if (placed.endpoint->id.kind != EndpointKind::host) return;
    if (hook.point != LegPoint::untracked && has_untracked(*placed.endpoint))
      rules.push_back(error_of_an_untracked_flow());
    if (hook.hook != Hook::forward && hook.direction == Direction::ingress) add_own_copies(rules, hook, placed);
  }

  /// What the host sends to a group comes back to it by the interface that it left by. Such a copy still has the
  /// connection of its original, or is still untracked; a packet from outside that gives our address as its source has
  /// none yet, so at raw it is invalid and later not confirmed.
  void add_own_copies(std::vector<NftRule<S>>& rules, const LegHook& hook, const PlacedLeg& placed) const {
    std::vector<Match> known;
    if (hook.point == LegPoint::untracked) {
      known.push_back(StateIs{ct_state::fresh | ct_state::established | ct_state::related | ct_state::untracked});
    } else {
      known.push_back(StatusIs{ct_status::confirmed});
      // The pending world would track what enforced policy leaves untracked.
      if (S == Stance::observe || has_untracked(*placed.endpoint)) known.push_back(StateIs{ct_state::untracked});
    }
    for (const Match& match : known) {
      rules.push_back(rule_ending<S>(Accept{}, {own_multicast(), SourceIsLocal{}, match}));
      if (family_ == Family::v4)
        rules.push_back(rule_ending<S>(Accept{}, {DestinationIsBroadcast{}, SourceIsLocal{}, match}));
    }
  }

  void add_exemptions(std::vector<NftRule<S>>& rules, const LegHook& hook, const PlacedLeg& placed) {
    if constexpr (S == Stance::enforce) {
      if (plan_.drop_invalid && hook.point != LegPoint::untracked) rules.push_back(invalid_drop());
    }
    if (!placed.endpoint->bridge.empty() && hook.hook == Hook::forward && family_ == Family::v6) {
      // With bridge-nf-call-ip6tables what the bridge itself forwards comes here too: without neighbours it is no link.
      const auto is_bridge = [&](Field field) {
        return FieldIs{field, Compare::equal, {}, interface_bytes(placed.endpoint->bridge)};
      };
      rules.push_back(rule_ending<S>(
          Accept{}, {is_bridge(Field::in_interface), is_bridge(Field::out_interface), protocol_is(protocol::icmpv6),
                     icmp_type_in({130, 131, 132, 133, 134, 135, 136, 143})}));
    }
    if (spares_discovery(hook)) {
      rules.push_back(
          rule_ending<S>(Accept{}, {protocol_is(protocol::icmpv6), icmp_type_in(workload_discovery_types())}));
    }
    if (placed.leg->essentials) add_essentials(rules, *placed.leg->essentials);
    if (placed.leg->failsafes) add_failsafes(rules, hook, *placed.leg->failsafes);
  }

  [[nodiscard]] bool spares_discovery(const LegHook& hook) const {
    return hook.point == LegPoint::workload && hook.hook == Hook::input && family_ == Family::v6;
  }

  static bool has_untracked(const PlannedEndpoint& endpoint) {
    return std::ranges::any_of(endpoint.legs, [](const PlannedLeg& leg) { return leg.bucket == Bucket::untracked; });
  }

  /// It belongs to no connection that is known, so it is invalid; without it path MTU discovery fails.
  NftRule<S> error_of_an_untracked_flow() {
    const bool v4 = family_ == Family::v4;
    return rule_ending<S>(
        Accept{}, {StateIs{ct_state::invalid}, protocol_is(v4 ? protocol::icmp : protocol::icmpv6),
                   icmp_type_in(v4 ? std::vector<std::uint8_t>{3, 11, 12} : std::vector<std::uint8_t>{1, 2, 3, 4})});
  }

  static NftRule<S> invalid_drop() {
    NftRule<S> dropped = rule_ending<S>(Drop{}, {StateIs{ct_state::invalid}});
    dropped.counter = true;
    dropped.comment = "packet of no connection";
    return dropped;
  }

  Match own_multicast() const {
    if (family_ == Family::v4)
      return FieldIs{Field::destination_address, Compare::equal, {0xf0, 0, 0, 0}, {0xe0, 0, 0, 0}};
    Bytes value(16, 0);
    value[0] = 0xff;
    return FieldIs{Field::destination_address, Compare::equal, netmask(Family::v6, 8), value};
  }

  static Match protocol_is(Protocol protocol) {
    return FieldIs{Field::l4_protocol, Compare::equal, {}, {protocol.number}};
  }
  Match icmp_type_in(const std::vector<std::uint8_t>& types) {
    return FieldIn{{Field::icmp_type}, sets_.icmp_types(types), Sense::is};
  }

  void add_essentials(std::vector<NftRule<S>>& rules, PolicyIndex index) {
    append(rules, chains_.rules("essentials", plan_.policies.shared(index),
                                [&](auto& own) { write_essentials(own, plan_.policies[index]); }));
  }

  /// Accepted silently; the rules that name an ICMP type and nothing else but their protocol become one.
  void write_essentials(std::vector<NftRule<S>>& rules, const PlannedPolicy& policy) {
    std::map<Family, std::vector<std::uint8_t>> types;
    for (const PlannedRule& rule : policy.rules) {
      if (const auto* icmp = std::get_if<IcmpIs>(&rule.all_of.back())) {
        types[std::get<FamilyIs>(rule.all_of.front()).family].push_back(icmp->type);
        continue;
      }
      accept(rules, rule);
    }
    if (const auto& own = types[family_]; !own.empty()) {
      const Protocol icmp = family_ == Family::v4 ? protocol::icmp : protocol::icmpv6;
      rules.push_back(rule_ending<S>(Accept{}, {protocol_is(icmp), icmp_type_in(own)}));
    }
  }

  /// Before normal policy a failsafe only spares the packet that bucket, in silence: normal policy's tells of it.
  void add_failsafes(std::vector<NftRule<S>>& rules, const LegHook& hook, PolicyIndex index) {
    if (hook.point == LegPoint::host) return append(rules, policy_rules(hook, index));
    append(rules, chains_.rules("failsafes", plan_.policies.shared(index), [&](auto& own) {
      for (const PlannedRule& rule : plan_.policies[index].rules) accept(own, rule);
    }));
  }

  void accept(std::vector<NftRule<S>>& rules, const PlannedRule& rule) {
    for (auto& matches : lower_match(plan_, rule.all_of, family_, sets_))
      rules.push_back(rule_ending<S>(Accept{}, std::move(matches)));
  }

  static void append(std::vector<NftRule<S>>& rules, const KnownRules<S>& known) {
    rules.insert(rules.end(), known.rules.begin(), known.rules.end());
  }

  /// The policies of one tier, then its end, as one list by port where that pays. Pass leads out of here, back to the
  /// endpoint's chain and so to the next tier; from a chain of its own a policy's Pass would come back into this tier,
  /// so such a policy is written out here.
  ChainName<S> tier_chain(const LegHook& hook, const PlannedTier& tier) {
    ChainOrigin origin = origin_of(hook, tier);
    const std::string& name = chains_.name(origin, [&] {
      std::string identity = fmt::format("{}/{}", tier.name, tier.end.id);
      for (const PolicyIndex index : tier.policies) identity += "/" + identity_of(plan_.policies[index].id);
      return readable_name(role_of(plan_, hook) + "-tier", tier.name, identity);
    });
    return chains_.chain(name, std::move(origin), [&](auto& rules) { write_tier(rules, name, hook, tier); });
  }

  ChainOrigin origin_of(const LegHook& hook, const PlannedTier& tier) const {
    ChainOrigin origin;
    origin.text = fmt::format("{}/{}/{}/{}/{}", role_of(plan_, hook), tier.name, tier.end.id,
                              to_string(tier.end.action), is_fan_out_small_);
    origin.policies.reserve(tier.policies.size());
    for (const PolicyIndex index : tier.policies) origin.policies.push_back(plan_.policies.shared(index));
    return origin;
  }

  void write_tier(std::vector<NftRule<S>>& rules, const std::string& name, const LegHook& hook,
                  const PlannedTier& tier) {
    const NftRule<S> end = end_of_tier(hook, tier);
    if (is_fan_out_small_) {
      std::vector<NumberedRule<S>> all;
      for (const PolicyIndex index : tier.policies) {
        const KnownRules<S>& known = policy_rules(hook, index);
        for (std::size_t i = 0; i < known.rules.size(); ++i) all.push_back({&known.rules[i], known.first_number + i});
      }
      all.push_back({&end, number_of_end(std::get<Goto<S>>(end.end).to)});
      if (auto indexed = PortIndex<S>::index(chains_, name, all, options_.fewest_port_rules)) {
        rules = std::move(*indexed);
        return;
      }
    }
    for (const PolicyIndex index : tier.policies) {
      const PlannedPolicy& policy = plan_.policies[index];
      if (has_pass(policy)) {
        append(rules, policy_rules(hook, index));
      } else if (!policy.rules.empty()) {
        rules.push_back(rule_ending<S>(Jump<S>{policy_chain(hook, index)}));
      }
    }
    rules.push_back(end);
  }

  /// A rule that does nothing but go to a leaf follows from the leaf's name.
  static std::uint64_t number_of_end(const ChainName<S>& leaf) {
    return stable_hash(leaf.text) | std::uint64_t{1} << 63U;
  }

  NftRule<S> end_of_tier(const LegHook& hook, const PlannedTier& tier) {
    const TraceEntry end = trace_entry(plan_, tier);
    const std::string what =
        fmt::format("end of tier {} after {}", tier.name, to_string(plan_.policies[tier.end.blamed].id));
    return rule_ending<S>(Goto<S>{leaves_.leaf(hook, tier.end.action, tier.end.id, what, end.at)});
  }

  /// True if writing each tier's policies out, instead of sharing chains of them, makes few rules more.
  static bool has_small_fan_out(const Plan& plan) {
    std::set<std::pair<Direction, std::vector<PolicyIndex>>> lists;
    std::set<PolicyIndex> used;
    std::size_t written_out = 0;
    for (const PlannedEndpoint& endpoint : plan.endpoints) {
      for (const PlannedLeg& leg : endpoint.legs) {
        for (const PlannedTier& tier : leg.tiers) {
          if (!lists.emplace(leg.direction, tier.policies).second) continue;
          used.insert(tier.policies.begin(), tier.policies.end());
          for (const PolicyIndex index : tier.policies) written_out += plan.policies[index].rules.size();
        }
      }
    }
    std::size_t shared = 0;
    for (const PolicyIndex index : used) shared += plan.policies[index].rules.size();
    return written_out <= 4 * shared + 1000;
  }

  static bool has_pass(const PlannedPolicy& policy) {
    return std::ranges::any_of(policy.rules, [](const PlannedRule& rule) { return rule.action == Action::pass; });
  }

  ChainName<S> policy_chain(const LegHook& hook, PolicyIndex index) {
    const PlannedPolicy& policy = plan_.policies[index];
    const std::string name = readable_name(role_of(plan_, hook) + "-policy", policy.id.name, identity_of(policy.id));
    return chains_.chain(name, ChainOrigin{"", {plan_.policies.shared(index)}, {}},
                         [&](auto& rules) { append(rules, policy_rules(hook, index)); });
  }

  const KnownRules<S>& policy_rules(const LegHook& hook, PolicyIndex index) {
    return chains_.rules(role_of(plan_, hook), plan_.policies.shared(index),
                         [&](auto& rules) { add_policy_rules(rules, hook, plan_.policies[index]); });
  }

  void add_policy_rules(std::vector<NftRule<S>>& rules, const LegHook& hook, const PlannedPolicy& policy) {
    for (const PlannedRule& rule : policy.rules) {
      for (auto& matches : lower_match(plan_, rule.all_of, family_, sets_)) {
        if (rule.action == Action::log) {
          if constexpr (S == Stance::enforce) rules.push_back(kernel_log(policy, rule, std::move(matches)));
          continue;
        }
        const std::string what = fmt::format("{} rule {}", to_string(policy.id), rule.index);
        NftRule<S> judged =
            rule_ending<S>(Goto<S>{leaves_.leaf(hook, rule.action, rule.id, what, rule.at)}, std::move(matches));
        judged.at = rule.at;
        rules.push_back(std::move(judged));
      }
    }
  }

  NftRule<S> kernel_log(const PlannedPolicy& policy, const PlannedRule& rule, std::vector<Match> matches) const {
    NftRule<S> logged;
    logged.matches = std::move(matches);
    logged.limit = Limit{"", plan_.kernel_log.rate.count, plan_.kernel_log.burst, plan_.kernel_log.rate.seconds};
    logged.kernel_log = kernel_log_prefix(plan_.kernel_log.prefix, policy);
    logged.comment =
        comment_text(fmt::format("{} rule {} ({})", to_string(policy.id), rule.index, source_text(rule.at)));
    logged.at = rule.at;
    return logged;
  }

  const Plan& plan_;
  Family family_;
  const RenderOptions& options_;
  SetPool& sets_;
  ChainPool<S> chains_;
  LeafBuilder<S> leaves_;
  EarlierBuckets<S> earlier_;
  bool is_fan_out_small_;
};

}  // namespace drywall
