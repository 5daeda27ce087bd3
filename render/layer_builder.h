// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "policy/result.h"
#include "policy/rule_tag.h"
#include "render/bytes.h"
#include "render/hook_plan.h"
#include "render/lower.h"
#include "render/lower_match.h"
#include "render/name.h"
#include "render/port_map.h"

namespace drywall {

/// What a chain of one leg and world is called: e or p, the leg's letter, i or e; as in the tags.
inline std::string role_of(World world, const LegHook& hook) {
  return to_string(RuleTag{world, hook.point, hook.direction, Action::pass, 0}).substr(3, 3);
}

inline std::string source_text(const SourceLocation& at) {
  return at.file.empty() ? "built in" : fmt::format("{}:{}", at.file.substr(at.file.rfind('/') + 1), at.line);
}

/// What of a packet is logged: all of an IPv4 header and the next 20 bytes; an IPv6 header with room for extensions.
constexpr std::uint32_t copied_bytes(Family family) {
  return family == Family::v4 ? 80 : 128;
}

/// One endpoint's leg at one hook, as the plan of a world has it; `plan` and `leg` are of the same world.
struct PlacedLeg {
  const PlannedEndpoint* endpoint;
  const PlannedLeg* leg;
};

/// Builds one family's chains of one world. Chains are made on first use and shared: a leaf by its tag, a policy by its
/// leg, a tier by its list of policies.
template <Stance S>
class LayerBuilder {
 public:
  LayerBuilder(const Plan& plan, Family family, const RenderOptions& options, SetPool& sets)
      : plan_(plan), family_(family), options_(options), sets_(sets) {}

  /// The chain of one endpoint's leg.
  ChainName<S> endpoint_chain(const LegHook& hook, const PlacedLeg& placed) {
    const EndpointId& id = placed.endpoint->id;
    const std::string identity = fmt::format("{}/{}/{}", static_cast<int>(id.kind), id.ns, id.name);
    return chain(readable_name(role_of(plan_.world, hook) + "-endpoint", id.name, identity), [&](auto& rules) {
      add_exemptions(rules, hook, *placed.leg);
      for (const PlannedTier& tier : placed.leg->tiers) rules.push_back(end_with(Jump<S>{tier_chain(hook, tier)}));
      for (const PolicyIndex profile : placed.leg->profiles) {
        rules.push_back(end_with(Jump<S>{policy_chain(hook, profile)}));
      }
      if (placed.leg->ending == Ending::deny) {
        rules.push_back(
            end_with(Goto<S>{leaf(hook, Action::deny, no_profile_id(hook.direction), "no profile matched", {})}));
      }
    });
  }

  void add_base(const LegHook& hook, std::vector<NftRule<S>> rules) {
    const std::string name = fmt::format("{}-{}", to_string(plan_.world), hook.name);
    const std::int32_t priority = plan_.world == World::enforced ? hook.enforced_priority : hook.pending_priority;
    layer_.chains.push_back({{name}, BaseHook{hook.hook, priority}, std::move(rules)});
  }

  void add_chain(Chain<S> chain) { layer_.chains.push_back(std::move(chain)); }
  void add_map(VerdictMap<S> map) { layer_.maps.push_back(std::move(map)); }
  Layer<S> take() { return std::move(layer_); }
  [[nodiscard]] World world() const { return plan_.world; }
  [[nodiscard]] const Plan& plan() const { return plan_; }

  static NftRule<S> end_with(End<S> end, std::vector<Match> matches = {}) {
    return {std::move(matches), false, std::nullopt, std::nullopt, std::move(end), "", {}};
  }

 private:
  template <class Fill>
  ChainName<S> chain(const std::string& name, Fill fill) {
    if (made_.insert(name).second) {
      std::vector<NftRule<S>> rules;
      fill(rules);
      layer_.chains.push_back({{name}, std::nullopt, with_port_maps<S>(std::move(rules), layer_.maps)});
    }
    return {name};
  }

  void add_exemptions(std::vector<NftRule<S>>& rules, const LegHook& hook, const PlannedLeg& leg) {
    if constexpr (S == Stance::enforce) {
      if (plan_.drop_invalid) rules.push_back(invalid_drop());
    }
    if (hook.point == LegPoint::host && hook.direction == Direction::ingress) {
      rules.push_back(end_with(Accept{}, {own_multicast(), SourceIsLocal{}}));
    }
    if (hook.point == LegPoint::workload && hook.hook == Hook::input && family_ == Family::v6) {
      rules.push_back(end_with(Accept{}, {protocol_is(protocol::icmpv6), icmp_type_in(workload_discovery_types())}));
    }
    if (leg.essentials) add_essentials(rules, plan_.policies[*leg.essentials]);
    if (leg.failsafes) add_policy_rules(rules, hook, plan_.policies[*leg.failsafes]);
  }

  static NftRule<S> invalid_drop() {
    return {{StateIs{ct_state::invalid}}, true, std::nullopt, std::nullopt, Drop{}, "packet of no connection", {}};
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

  /// From a workload to the host: neighbour and router solicitation and listener reports, never a router advertisement
  /// or redirect, which would change the host's routes.
  static std::vector<std::uint8_t> workload_discovery_types() { return {130, 131, 132, 133, 135, 136}; }

  /// Accepted silently; the rules that name an ICMP type and nothing else but their protocol become one.
  void add_essentials(std::vector<NftRule<S>>& rules, const PlannedPolicy& policy) {
    std::vector<std::uint8_t> types;
    for (const PlannedRule& rule : policy.rules) {
      const auto* icmp = std::get_if<IcmpIs>(&rule.all_of.back());
      if (icmp != nullptr) {
        types.push_back(icmp->type);
        continue;
      }
      for (auto& matches : lower_match(plan_, rule.all_of, family_, sets_))
        rules.push_back(end_with(Accept{}, std::move(matches)));
    }
    if (family_ == Family::v6 && !types.empty()) {
      rules.push_back(end_with(Accept{}, {protocol_is(protocol::icmpv6), icmp_type_in(types)}));
    }
  }

  /// The policies of one tier, then its end. Pass leads out of here, back to the endpoint's chain and so to the next
  /// tier; from a chain of its own a policy's Pass would come back into this tier, so such a policy is written out
  /// here.
  ChainName<S> tier_chain(const LegHook& hook, const PlannedTier& tier) {
    std::string identity = fmt::format("{}/{}", tier.name, tier.end.id);
    for (const PolicyIndex index : tier.policies) identity += "/" + to_string(plan_.policies[index].id);
    return chain(readable_name(role_of(plan_.world, hook) + "-tier", tier.name, identity), [&](auto& rules) {
      for (const PolicyIndex index : tier.policies) {
        const PlannedPolicy& policy = plan_.policies[index];
        if (has_pass(policy)) {
          add_policy_rules(rules, hook, policy);
        } else if (!policy.rules.empty()) {
          rules.push_back(end_with(Jump<S>{policy_chain(hook, index)}));
        }
      }
      const TraceEntry end = trace_entry(plan_, tier);
      rules.push_back(end_with(Goto<S>{leaf(
          hook, tier.end.action, tier.end.id,
          fmt::format("end of tier {} after {}", tier.name, to_string(plan_.policies[tier.end.blamed].id)), end.at)}));
    });
  }

  static bool has_pass(const PlannedPolicy& policy) {
    return std::ranges::any_of(policy.rules, [](const PlannedRule& rule) { return rule.action == Action::pass; });
  }

  ChainName<S> policy_chain(const LegHook& hook, PolicyIndex index) {
    const PlannedPolicy& policy = plan_.policies[index];
    const std::string name =
        readable_name(role_of(plan_.world, hook) + "-policy", policy.id.name, to_string(policy.id));
    return chain(name, [&](auto& rules) { add_policy_rules(rules, hook, policy); });
  }

  void add_policy_rules(std::vector<NftRule<S>>& rules, const LegHook& hook, const PlannedPolicy& policy) {
    for (const PlannedRule& rule : policy.rules) {
      for (auto& matches : lower_match(plan_, rule.all_of, family_, sets_)) {
        if (rule.action == Action::log) {
          if constexpr (S == Stance::enforce) rules.push_back(kernel_log(policy, rule, std::move(matches)));
          continue;
        }
        const std::string what = fmt::format("{} rule {}", to_string(policy.id), rule.index);
        NftRule<S> judged = end_with(Goto<S>{leaf(hook, rule.action, rule.id, what, rule.at)}, std::move(matches));
        judged.at = rule.at;
        rules.push_back(std::move(judged));
      }
    }
  }

  static NftRule<S> kernel_log(const PlannedPolicy& policy, const PlannedRule& rule, std::vector<Match> matches) {
    NftRule<S> logged = end_with(Continue{}, std::move(matches));
    logged.kernel_log = "drywall: ";
    logged.comment =
        comment_text(fmt::format("{} rule {} ({})", to_string(policy.id), rule.index, source_text(rule.at)));
    logged.at = rule.at;
    return logged;
  }

  /// counter; log; verdict. A Pass leaf ends without verdict and so returns to the caller of the tier's chain.
  ChainName<S> leaf(const LegHook& hook, Action action, RuleId id, const std::string& what, const SourceLocation& at) {
    const std::string tag = to_string(RuleTag{plan_.world, hook.point, hook.direction, action, id});
    const bool rejects = action == Action::deny && plan_.deny_action == DenyAction::reject;
    const bool postrouting = hook.hook == Hook::postrouting;
    // The kernel takes no reject where postrouting leads: there its leaves are others.
    const std::string name = rejects && postrouting ? tag + "-postrouting" : tag;
    return chain(name, [&](auto& rules) {
      NftRule<S> counted = end_with(Continue{});
      counted.counter = true;
      counted.comment = comment_text(fmt::format("{} ({})", what, source_text(at)));
      counted.at = at;
      rules.push_back(std::move(counted));
      add_verdict(rules, action, tag, postrouting);
    });
  }

  void add_verdict(std::vector<NftRule<S>>& rules, Action action, const std::string& tag, bool postrouting) {
    const End<S> end = leaf_end(action, postrouting);
    if (!is_logged(action)) {
      if (!std::holds_alternative<Continue>(end)) rules.push_back(end_with(end));
      return;
    }
    if (plan_.world == World::enforced && action != Action::deny) {
      // Only a connection's first packet is evidence: the kernel asks again for each packet of a one-way flow.
      const End<S> unlogged = std::holds_alternative<Continue>(end) ? End<S>{Return{}} : end;
      rules.push_back(end_with(unlogged, {StatusIs{ct_status::confirmed}}));
    }
    NftRule<S> logged = end_with(end);
    logged.log = Nflog{tag, options_.nflog_group, copied_bytes(family_)};
    rules.push_back(std::move(logged));
  }

  [[nodiscard]] bool is_logged(Action action) const {
    if (plan_.world == World::pending || options_.log_enforced == LogEnforced::all) return true;
    return options_.log_enforced == LogEnforced::deny && action == Action::deny;
  }

  End<S> leaf_end(Action action, bool postrouting) const {
    if (action == Action::pass) return Continue{};
    if constexpr (S == Stance::enforce) {
      if (action == Action::deny) {
        if (plan_.deny_action == DenyAction::reject && !postrouting) return Reject{};
        return Drop{};
      }
    }
    return Accept{};
  }

  const Plan& plan_;
  Family family_;
  const RenderOptions& options_;
  SetPool& sets_;
  Layer<S> layer_;
  std::set<std::string> made_;
};

}  // namespace drywall
