// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/lower.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "render/layer_builder.h"

namespace drywall {
namespace {

Bucket bucket_of(LegPoint point) {
  switch (point) {
    case LegPoint::untracked:
      return Bucket::untracked;
    case LegPoint::pre_dnat:
      return Bucket::pre_dnat;
    case LegPoint::forward:
      return Bucket::forward;
    case LegPoint::host:
    case LegPoint::workload:
    case LegPoint::to_host:
      return Bucket::normal;
  }
  return Bucket::normal;
}

EndpointKind endpoint_kind(LegPoint point) {
  return point == LegPoint::workload || point == LegPoint::to_host ? EndpointKind::workload : EndpointKind::host;
}

Field interface_field(InterfaceSide side) {
  return side == InterfaceSide::in ? Field::in_interface : Field::out_interface;
}
Field index_field(InterfaceSide side) {
  return side == InterfaceSide::in ? Field::in_index : Field::out_index;
}

constexpr std::uint32_t loopback_index = 1;

/// The endpoints that are judged at a hook, by the interface that the packet uses there.
struct Dispatched {
  std::map<std::string, PlacedLeg> exact;  // by interface name
  std::optional<PlacedLeg> wildcard;
  std::set<std::string> elsewhere;  // interfaces of endpoints that nothing here concerns: not the wildcard's either
};

Dispatched dispatched_at(const LegHook& hook, const Plan& plan) {
  Dispatched dispatched;
  for (const PlannedEndpoint& endpoint : plan.endpoints) {
    if (!endpoint.local || endpoint.id.kind != endpoint_kind(hook.point)) continue;
    const PlannedLeg* leg = endpoint.leg(bucket_of(hook.point), hook.direction);
    for (const std::string& interface : endpoint.interfaces) {
      if (leg == nullptr) {
        dispatched.elsewhere.insert(interface);
      } else if (interface == "*") {
        dispatched.wildcard = PlacedLeg{&endpoint, leg};
      } else {
        dispatched.exact.emplace(interface, PlacedLeg{&endpoint, leg});
      }
    }
  }
  return dispatched;
}

std::set<std::string> workload_interfaces(const Plan& plan) {
  std::set<std::string> names;
  for (const PlannedEndpoint& endpoint : plan.endpoints) {
    if (!endpoint.local || endpoint.id.kind != EndpointKind::workload) continue;
    names.insert(endpoint.interfaces.begin(), endpoint.interfaces.end());
  }
  return names;
}

/// Renders both worlds of one family.
class TableBuilder {
 public:
  TableBuilder(const Plan& enforced, const Plan& pending, Family family, const RenderOptions& options)
      : enforced_(enforced),
        pending_(pending),
        sets_(family),
        enforce_(enforced, family, options, sets_),
        observe_(pending, family, options, sets_),
        family_(family) {}

  Table run() {
    for (const LegHook& hook : leg_hooks) {
      const Dispatched enforced = dispatched_at(hook, enforced_);
      const Dispatched pending = dispatched_at(hook, pending_);
      const auto observed = [&](const PlacedLeg& leg) { return is_observed_at(hook, leg); };
      add_pending_base(hook, pending, observed);
      add_enforced_base(hook, enforced);
    }
    add_workload_to_host();
    Table table{family_, sets_.take(), enforce_.take(), observe_.take()};
    return table;
  }

 private:
  using Observed = std::function<bool(const PlacedLeg&)>;

  [[nodiscard]] bool is_observed_at(const LegHook& hook, const PlacedLeg& pending) const {
    const auto twin = std::ranges::find(enforced_.endpoints, pending.endpoint->id, &PlannedEndpoint::id);
    const PlannedLeg* leg =
        twin == enforced_.endpoints.end() ? nullptr : twin->leg(bucket_of(hook.point), hook.direction);
    return is_observed(enforced_, leg, pending_, pending.leg);
  }

  void add_enforced_base(const LegHook& hook, const Dispatched& legs) {
    const bool denies_unknown = hook.point == LegPoint::workload && !enforced_.workload_prefixes.empty();
    if (legs.exact.empty() && !legs.wildcard && !denies_unknown) return;
    auto rules = exemptions<Stance::enforce>(hook, ct_state::established | ct_state::related);
    dispatch(
        enforce_, hook, legs, [](const PlacedLeg&) { return true; }, rules);
    if (denies_unknown) {
      for (const std::string& prefix : enforced_.workload_prefixes) {
        NftRule<Stance::enforce> unknown{{prefix_is(hook, prefix)},    true, std::nullopt, std::nullopt, Drop{},
                                         "unknown workload interface", {}};
        rules.push_back(std::move(unknown));
      }
    }
    enforce_.add_base(hook, std::move(rules));
  }

  void add_pending_base(const LegHook& hook, const Dispatched& legs, const Observed& observed) {
    const bool any = (legs.wildcard && observed(*legs.wildcard)) ||
                     std::ranges::any_of(legs.exact, [&](const auto& entry) { return observed(entry.second); });
    if (!any) return;
    // An invalid packet is dropped in either world before policy is asked.
    const std::uint32_t leaving =
        ct_state::established | ct_state::related | (pending_.drop_invalid ? ct_state::invalid : 0);
    auto rules = exemptions<Stance::observe>(hook, leaving);
    rules.push_back(LayerBuilder<Stance::observe>::end_with(Accept{}, {StatusIs{ct_status::confirmed}}));
    dispatch(observe_, hook, legs, observed, rules);
    observe_.add_base(hook, std::move(rules));
  }

  /// What leaves a base chain before any endpoint is asked. They end this base chain only, so each has them.
  template <Stance S>
  std::vector<NftRule<S>> exemptions(const LegHook& hook, std::uint32_t leaving_states) const {
    const auto leave_if = [](std::vector<Match> matches) {
      return LayerBuilder<S>::end_with(Accept{}, std::move(matches));
    };
    std::vector<NftRule<S>> rules;
    if (hook.point == LegPoint::host) {
      rules.push_back(leave_if({FieldIs{index_field(hook.side), Compare::equal, {}, index_bytes(loopback_index)}}));
    }
    rules.push_back(leave_if({StateIs{leaving_states}}));
    if (hook.hook == Hook::output) rules.push_back(leave_if({StatusIs{ct_status::dnat}}));
    if (hook.hook == Hook::postrouting) {
      rules.push_back(leave_if({FieldIs{Field::in_index, Compare::not_equal, {}, index_bytes(0)}}));
      rules.push_back(leave_if({StatusIs{ct_status::dnat, Sense::is_not}}));
      rules.push_back(leave_if({StateIs{ct_state::untracked}}));
    }
    return rules;
  }

  static Match prefix_is(const LegHook& hook, const std::string& prefix) {
    return FieldIs{interface_field(hook.side), Compare::equal, {}, Bytes(prefix.begin(), prefix.end())};
  }

  /// By interface: exact names in a hash map, then the wildcard. An interface that another endpoint governs never falls
  /// to the wildcard, nor, at the host's own hooks, does a workload's: host to workload, and workload to host, are not
  /// normal host policy. Forwarded traffic of the wildcard's policy may have a workload at either end.
  template <Stance S>
  void dispatch(LayerBuilder<S>& builder, const LegHook& hook, const Dispatched& legs, const Observed& wanted,
                std::vector<NftRule<S>>& rules) {
    const bool wildcard = legs.wildcard && wanted(*legs.wildcard);
    VerdictMap<S> map{
        fmt::format("{}-{}", to_string(builder.world()), hook.name), {interface_field(hook.side)}, false, {}};
    const auto add_entry = [&](const std::string& interface, MapVerdict<S> verdict) {
      map.entries.push_back({{interface_bytes(interface), interface_bytes(interface)}, std::move(verdict)});
    };
    for (const auto& [interface, placed] : legs.exact) {
      if (wanted(placed)) {
        add_entry(interface, Goto<S>{builder.endpoint_chain(hook, placed)});
      } else if (wildcard) {
        add_entry(interface, Accept{});
      }
    }
    if (wildcard) {
      std::set<std::string> spared = legs.elsewhere;
      if (hook.point == LegPoint::host) spared.merge(workload_interfaces(builder.plan()));
      for (const std::string& interface : spared) {
        if (!legs.exact.contains(interface)) add_entry(interface, Accept{});
      }
    }
    std::ranges::sort(map.entries, {}, &VerdictMap<S>::Entry::key);
    if (!map.entries.empty()) {
      rules.push_back(builder.end_with(Dispatch<S>{map.fields, map.name}));
      builder.add_map(std::move(map));
    }
    if (!wildcard) return;
    for (const std::string& prefix : builder.plan().workload_prefixes)
      rules.push_back(builder.end_with(Accept{}, {prefix_is(hook, prefix)}));
    rules.push_back(builder.end_with(Goto<S>{builder.endpoint_chain(hook, *legs.wildcard)}));
  }

  /// What the workload's egress policy allowed to the host still needs the host's leave (defaultEndpointToHostAction).
  void add_workload_to_host() {
    const std::set<std::string> interfaces = workload_interfaces(enforced_);
    if ((interfaces.empty() && enforced_.workload_prefixes.empty()) ||
        enforced_.endpoint_to_host == EndpointToHost::return_)
      return;
    using Builder = LayerBuilder<Stance::enforce>;
    std::vector<NftRule<Stance::enforce>> rules{
        Builder::end_with(Accept{}, {StateIs{ct_state::established | ct_state::related}})};
    if (family_ == Family::v6) {
      rules.push_back(Builder::end_with(
          Accept{}, {FieldIs{Field::l4_protocol, Compare::equal, {}, {protocol::icmpv6.number}},
                     FieldIn{{Field::icmp_type}, sets_.icmp_types({130, 131, 132, 133, 135, 136}), Sense::is}}));
    }
    const ChainName<Stance::enforce> verdict = to_host_verdict();
    VerdictMap<Stance::enforce> map{"enforced-workload-to-host", {Field::in_interface}, false, {}};
    for (const std::string& interface : interfaces) {
      map.entries.push_back({{interface_bytes(interface), interface_bytes(interface)}, Goto<Stance::enforce>{verdict}});
    }
    std::ranges::sort(map.entries, {}, &VerdictMap<Stance::enforce>::Entry::key);
    if (!map.entries.empty()) {
      rules.push_back(Builder::end_with(Dispatch<Stance::enforce>{map.fields, map.name}));
      enforce_.add_map(std::move(map));
    }
    for (const std::string& prefix : enforced_.workload_prefixes) {
      rules.push_back(
          Builder::end_with(Goto<Stance::enforce>{verdict},
                            {FieldIs{Field::in_interface, Compare::equal, {}, Bytes(prefix.begin(), prefix.end())}}));
    }
    enforce_.add_chain({{"enforced-workload-to-host"}, workload_to_host_hook, std::move(rules)});
  }

  ChainName<Stance::enforce> to_host_verdict() {
    NftRule<Stance::enforce> rule{{}, true, std::nullopt, std::nullopt, Accept{}, "workload to host (endpoint_to_host)",
                                  {}};
    if (enforced_.endpoint_to_host == EndpointToHost::drop) rule.end = Drop{};
    if (enforced_.endpoint_to_host == EndpointToHost::reject) rule.end = Reject{};
    enforce_.add_chain({{"enforced-workload-to-host-verdict"}, std::nullopt, {std::move(rule)}});
    return {"enforced-workload-to-host-verdict"};
  }

  const Plan& enforced_;
  const Plan& pending_;
  SetPool sets_;
  LayerBuilder<Stance::enforce> enforce_;
  LayerBuilder<Stance::observe> observe_;
  Family family_;
};

bool governs_anything(const Plan& plan) {
  return !plan.workload_prefixes.empty() || std::ranges::any_of(plan.endpoints, [](const PlannedEndpoint& endpoint) {
    return endpoint.local && !endpoint.interfaces.empty();
  });
}

/// Legs that are evaluated but that the kernel is not given yet.
Diagnostics unsupported(const Plan& plan) {
  Diagnostics found;
  for (const PlannedEndpoint& endpoint : plan.endpoints) {
    for (const PlannedLeg& leg : endpoint.legs) {
      const bool is_early = leg.bucket == Bucket::untracked || leg.bucket == Bucket::pre_dnat;
      if (!is_early || !endpoint.local) continue;
      for (const PlannedTier& tier : leg.tiers) {
        for (const PolicyIndex policy : tier.policies) {
          found.push_back({plan.policies[policy].at, 1, Severity::error, "not-enforced-yet",
                           fmt::format("{} has {} rules, which this version cannot enforce",
                                       to_string(plan.policies[policy].id), to_string(leg.bucket)),
                           "remove doNotTrack or preDNAT", ""});
        }
      }
    }
  }
  return found;
}

}  // namespace

tl::expected<Ruleset, Diagnostics> lower(const Plan& enforced, const Plan& pending, const RenderOptions& options) {
  Diagnostics refused = unsupported(enforced);
  for (Diagnostic& more : unsupported(pending)) refused.push_back(std::move(more));
  if (!refused.empty()) {
    sort_diagnostics(refused);
    return tl::unexpected(std::move(refused));
  }
  Ruleset ruleset;
  if (!governs_anything(enforced)) return ruleset;
  for (const Family family : both_families)
    ruleset.tables.push_back(TableBuilder(enforced, pending, family, options).run());
  return ruleset;
}

}  // namespace drywall
