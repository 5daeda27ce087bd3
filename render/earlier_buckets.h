// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "policy/plan.h"
#include "render/leaf_builder.h"
#include "render/lower_match.h"

namespace drywall {

/// One endpoint's leg at one hook, as the plan of a world has it; `endpoint` and `leg` are of the same world.
struct PlacedLeg {
  const PlannedEndpoint* endpoint;
  const PlannedLeg* leg;
  bool observed;  // the kernel has this leg's pending world too
};

inline Bucket bucket_of(LegPoint point) {
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

/// Spares a packet the legs behind the bucket that allowed it, without a packet mark: at the head of such a leg the
/// earlier bucket is asked again, by rules that neither count nor log (docs/dataplane.md, hand-over). In the pending
/// world an earlier Deny ends the leg too. Where the leg is observed, a log says that an earlier bucket had decided.
template <Stance S>
class EarlierBuckets {
 public:
  EarlierBuckets(const Plan& plan, Family family, SetPool& sets, ChainPool<S>& chains, LeafBuilder<S>& leaves)
      : plan_(plan), family_(family), sets_(sets), chains_(chains), leaves_(leaves) {}

  void ask_again(std::vector<NftRule<S>>& rules, const LegHook& hook, const PlacedLeg& placed) {
    for (const Bucket bucket : buckets_before(bucket_of(hook.point), hook.direction)) {
      const PlannedLeg* leg = placed.endpoint->leg(bucket, hook.direction);
      if (leg == nullptr) continue;
      for (const View& view : views(hook, bucket)) {
        rules.push_back(rule_ending<S>(Jump<S>{asked_again(hook, placed, *leg, view)}, view.gate));
      }
    }
  }

 private:
  /// A bucket that judged the packet before DNAT is asked again about what it saw then.
  struct View {
    bool before_nat;  // read the connection's original destination, not the packet's
    std::vector<Match> gate;
  };

  std::vector<View> views(const LegHook& hook, Bucket bucket) const {
    const bool is_before_dnat = hook.point == LegPoint::pre_dnat;
    const std::uint32_t invalid = plan_.drop_invalid ? 0 : ct_state::invalid;
    if constexpr (S == Stance::enforce) {
      // What untracked policy allows, it has made untracked.
      if (bucket == Bucket::untracked) return {{false, {StateIs{ct_state::untracked}}}};
    } else if (is_before_dnat) {
      return {{false, {}}};
    }
    return {{false, {StateIs{ct_state::untracked | invalid}}},
            {true, {StateIs{ct_state::fresh}, IsOriginalDirection{}}}};
  }

  ChainName<S> asked_again(const LegHook& hook, const PlacedLeg& placed, const PlannedLeg& leg, const View& view) {
    const std::string what =
        fmt::format("{}-{}{}", role_of(plan_, hook), to_string(leg.bucket), view.before_nat ? "-before-nat" : "");
    const std::string identity = fmt::format("{}/{}", placed.endpoint->id.name, hook.name);
    return chains_.chain(readable_name(what, placed.endpoint->id.name, identity), [&](auto& rules) {
      for (const auto& exemption : {leg.essentials, leg.failsafes}) {
        if (exemption) add_rules(rules, hook, placed, plan_.policies[*exemption], view, true);
      }
      for (const PlannedTier& tier : leg.tiers) {
        rules.push_back(rule_ending<S>(Jump<S>{tier_again(hook, placed, what, identity, tier, view)}));
      }
    });
  }

  ChainName<S> tier_again(const LegHook& hook, const PlacedLeg& placed, const std::string& what,
                          const std::string& identity, const PlannedTier& tier, const View& view) {
    return chains_.chain(readable_name(what + "-tier", tier.name, identity + "/" + tier.name), [&](auto& rules) {
      for (const PolicyIndex policy : tier.policies)
        add_rules(rules, hook, placed, plan_.policies[policy], view, false);
    });
  }

  /// An exemption's packet was not decided by the bucket: it leaves by Return, as one passed to the next tier does.
  void add_rules(std::vector<NftRule<S>>& rules, const LegHook& hook, const PlacedLeg& placed,
                 const PlannedPolicy& policy, const View& view, bool exempts) {
    for (const PlannedRule& rule : policy.rules) {
      if (rule.action == Action::log) continue;
      for (auto& matches : lower_match(plan_, rule.all_of, family_, sets_)) {
        if (view.before_nat) std::ranges::for_each(matches, read_before_nat);
        const bool decides = !exempts && rule.action != Action::pass;
        NftRule<S> asked =
            rule_ending<S>(decides ? decided(hook, placed, rule.action) : End<S>{Return{}}, std::move(matches));
        asked.at = rule.at;
        rules.push_back(std::move(asked));
      }
    }
  }

  static void read_before_nat(Match& match) {
    const auto turn = [](Field& field) {
      if (field == Field::destination_address) field = Field::original_destination_address;
      if (field == Field::destination_port) field = Field::original_destination_port;
    };
    if (auto* compared = std::get_if<FieldIs>(&match)) turn(compared->field);
    if (auto* looked_up = std::get_if<FieldIn>(&match)) std::ranges::for_each(looked_up->fields, turn);
  }

  End<S> decided(const LegHook& hook, const PlacedLeg& placed, Action action) {
    if (placed.observed) {
      return Goto<S>{leaves_.leaf(hook, action, decided_before_id(hook.direction), "decided by an earlier bucket", {})};
    }
    if constexpr (S == Stance::enforce) {
      if (action == Action::deny) return Drop{};  // it was dropped there: nothing comes here
    }
    return Accept{};
  }

  const Plan& plan_;
  Family family_;
  SetPool& sets_;
  ChainPool<S>& chains_;
  LeafBuilder<S>& leaves_;
};

}  // namespace drywall
