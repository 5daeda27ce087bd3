// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/lower.h"

#include <algorithm>
#include <map>

#include "render/dispatch.h"
#include "render/layer_builder.h"
#include "render/lower_memo.h"
#include "render/workload_hooks.h"

namespace drywall {
namespace {

EndpointKind endpoint_kind(LegPoint point) {
  return point == LegPoint::workload || point == LegPoint::to_host ? EndpointKind::workload : EndpointKind::host;
}

constexpr std::uint32_t loopback_index = 1;
/// Chains that the kernel takes nested, base chain included; with one more it refuses the whole batch (EMLINK). It
/// counts jump and goto alike, through maps too.
constexpr std::size_t deepest_nesting = 15;

/// Renders both worlds of one family.
class TableBuilder {
 public:
  TableBuilder(const Plan& enforced, const Plan& pending, Family family, const RenderOptions& options, TableMemo& memo)
      : enforced_(enforced),
        pending_(pending),
        workloads_(workload_places(enforced)),
        options_(options),
        family_(family),
        sets_(family, memo.sets, enforced, pending),
        enforce_(enforced, family, options, sets_, memo.enforce),
        observe_(pending, family, options, sets_, memo.observe) {
    for (const PlannedEndpoint& endpoint : enforced.endpoints) worlds_[endpoint.id].enforced = &endpoint;
    for (const PlannedEndpoint& endpoint : pending.endpoints) worlds_[endpoint.id].pending = &endpoint;
  }

  Table run() {
    for (const LegHook& hook : leg_hooks) {
      add_pending_base(hook);
      add_enforced_base(hook);
    }
    add_workload_source_check(enforce_.chains(), sets_, enforced_, family_, options_.priorities);
    add_workload_to_host(enforce_.chains(), sets_, enforced_, family_, options_.priorities);
    return {family_, sets_.take(), sets_.take_limiters(), enforce_.chains().take(), observe_.chains().take()};
  }

  [[nodiscard]] std::size_t deepest() { return std::max(enforce_.chains().deepest(), observe_.chains().deepest()); }

 private:
  [[nodiscard]] bool is_observed_at(const LegHook& hook, const EndpointId& id) const {
    const InWorlds& endpoint = worlds_.at(id);
    return is_observed({enforced_, endpoint.enforced}, {pending_, endpoint.pending}, bucket_of(hook.point),
                       hook.direction);
  }

  Dispatched dispatched_at(const LegHook& hook, const Plan& plan) const {
    Dispatched dispatched;
    for (const PlannedEndpoint& endpoint : plan.endpoints) {
      if (!endpoint.local || endpoint.id.kind != endpoint_kind(hook.point)) continue;
      const PlannedLeg* leg = endpoint.leg(bucket_of(hook.point), hook.direction);
      const bool observed = is_observed_at(hook, endpoint.id);
      const bool is_first_behind_dnat = hook.point == LegPoint::forward && hook.direction == Direction::ingress;
      if (leg == nullptr && observed && is_first_behind_dnat && plan.world == World::pending) leg = &only_earlier_;
      if (leg == nullptr) {
        dispatched.elsewhere.insert(endpoint.interfaces.begin(), endpoint.interfaces.end());
        continue;
      }
      const PlacedLeg placed{&endpoint, leg, observed};
      for (const std::string& interface : endpoint.interfaces) {
        if (interface == "*") {
          dispatched.wildcard = placed;
        } else {
          dispatched.exact.emplace(interface, placed);
        }
      }
      if (endpoint.bridge.empty()) continue;
      for (const Address& address : endpoint.addresses)
        dispatched.bridged.emplace(BridgedAddress{endpoint.bridge, address}, placed);
    }
    return dispatched;
  }

  void add_enforced_base(const LegHook& hook) {
    const Dispatched legs = dispatched_at(hook, enforced_);
    const bool denies_unknown = hook.point == LegPoint::workload && !enforced_.workload_prefixes.empty();
    if (legs.empty() && !denies_unknown) return;
    auto rules = exemptions<Stance::enforce>(hook, ct_state::established | ct_state::related);
    Dispatcher<Stance::enforce>(enforce_, family_, workloads_, hook, rules).add(legs);
    if (denies_unknown) {
      for (const std::string& prefix : enforced_.workload_prefixes) {
        auto unknown = rule_ending<Stance::enforce>(Drop{}, {interface_begins_with(hook.side, prefix)});
        unknown.counter = true;
        unknown.comment = "unknown workload interface";
        rules.push_back(std::move(unknown));
      }
    }
    enforce_.add_base(hook, std::move(rules));
  }

  void add_pending_base(const LegHook& hook) {
    Dispatched legs = dispatched_at(hook, pending_);
    keep_observed(legs);
    if (legs.empty()) return;
    // An invalid packet is dropped in either world before policy is asked.
    const std::uint32_t leaving =
        ct_state::established | ct_state::related | (pending_.drop_invalid ? ct_state::invalid : 0);
    auto rules = exemptions<Stance::observe>(hook, leaving);
    if (hook.point != LegPoint::untracked)
      rules.push_back(rule_ending<Stance::observe>(Accept{}, {StatusIs{ct_status::confirmed}}));
    Dispatcher<Stance::observe>(observe_, family_, workloads_, hook, rules).add(legs);
    observe_.add_base(hook, std::move(rules));
  }

  /// Leaves out the legs of which the worlds agree; what they govern never falls to the wildcard.
  static void keep_observed(Dispatched& legs) {
    for (const auto& [interface, leg] : legs.exact) {
      if (!leg.observed) legs.elsewhere.insert(interface);
    }
    std::erase_if(legs.exact, [](const auto& entry) { return !entry.second.observed; });
    std::erase_if(legs.bridged, [](const auto& entry) { return !entry.second.observed; });
    if (legs.wildcard && !legs.wildcard->observed) legs.wildcard.reset();
  }

  /// What leaves a base chain before any endpoint is asked. They end this base chain only, so each has them.
  template <Stance S>
  std::vector<NftRule<S>> exemptions(const LegHook& hook, std::uint32_t leaving_states) const {
    const auto leave_if = [](std::vector<Match> matches) { return rule_ending<S>(Accept{}, std::move(matches)); };
    std::vector<NftRule<S>> rules;
    if (endpoint_kind(hook.point) == EndpointKind::host && hook.hook != Hook::forward) {
      rules.push_back(leave_if({FieldIs{index_field(hook.side), Compare::equal, {}, index_bytes(loopback_index)}}));
    }
    if (hook.point == LegPoint::untracked) return rules;  // nothing is known of connections yet
    rules.push_back(leave_if({StateIs{leaving_states}}));
    if (hook.hook == Hook::output) rules.push_back(leave_if({StatusIs{ct_status::dnat}}));
    if (hook.hook == Hook::postrouting) {
      rules.push_back(leave_if({FieldIs{Field::in_index, Compare::not_equal, {}, index_bytes(0)}}));
      rules.push_back(leave_if({StatusIs{ct_status::dnat, Sense::is_not}}));
      rules.push_back(leave_if({StateIs{ct_state::untracked | ct_state::invalid}}));  // they are never DNATed
    }
    return rules;
  }

  struct InWorlds {
    const PlannedEndpoint* enforced = nullptr;
    const PlannedEndpoint* pending = nullptr;
  };

  /// Of an endpoint without applyOnForward policy: it only tells what its earlier buckets had decided.
  const PlannedLeg only_earlier_{Bucket::forward, Direction::ingress, {}, {}, {}, {}, Ending::allow};
  const Plan& enforced_;
  const Plan& pending_;
  const WorkloadPlaces workloads_;  // the same in both worlds
  std::map<EndpointId, InWorlds> worlds_;
  const RenderOptions& options_;
  Family family_;
  SetPool sets_;
  LayerBuilder<Stance::enforce> enforce_;
  LayerBuilder<Stance::observe> observe_;
};

bool governs_anything(const Plan& plan) {
  return !plan.workload_prefixes.empty() || std::ranges::any_of(plan.endpoints, [](const PlannedEndpoint& endpoint) {
    return endpoint.local && (!endpoint.interfaces.empty() || !endpoint.bridge.empty());
  });
}

}  // namespace

tl::expected<Ruleset, Diagnostics> lower(const Plan& enforced, const Plan& pending, const RenderOptions& options) {
  LowerMemo memo;
  return lower(enforced, pending, options, memo);
}

tl::expected<Ruleset, Diagnostics> lower(const Plan& enforced, const Plan& pending, const RenderOptions& options,
                                         LowerMemo& memo) {
  Ruleset ruleset;
  if (!governs_anything(enforced)) return ruleset;
  memo.begin(enforced, pending, options);
  for (const Family family : both_families) {
    TableBuilder builder(enforced, pending, family, options, memo.table(family));
    ruleset.tables.push_back(builder.run());
    if (builder.deepest() <= deepest_nesting) continue;
    return tl::unexpected(Diagnostics{
        {{},
         1,
         Severity::error,
         "too-deep",
         fmt::format("these policies need more than {} chains nested, which the kernel refuses", deepest_nesting),
         "",
         ""}});
  }
  return ruleset;
}

}  // namespace drywall
