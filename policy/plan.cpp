// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/plan.h"

#include <algorithm>

namespace drywall {
namespace {

bool same_policy(const Plan& left_plan, PolicyIndex left, const Plan& right_plan, PolicyIndex right) {
  return left_plan.policies[left].id == right_plan.policies[right].id;
}

bool same_tier(const Plan& left_plan, const PlannedTier& left, const Plan& right_plan, const PlannedTier& right) {
  return left.name == right.name && left.end.action == right.end.action &&
         std::ranges::equal(left.policies, right.policies,
                            [&](PolicyIndex a, PolicyIndex b) { return same_policy(left_plan, a, right_plan, b); });
}

}  // namespace

std::string_view to_string(World world) {
  return world == World::enforced ? "enforced" : "pending";
}

const PlannedLeg* PlannedEndpoint::leg(Bucket bucket, Direction direction) const {
  const auto found = std::ranges::find_if(
      legs, [&](const PlannedLeg& leg) { return leg.bucket == bucket && leg.direction == direction; });
  return found == legs.end() ? nullptr : &*found;
}

// Within one generation a policy's identity stands for its content, and essentials, failsafes and profiles are the same
// in both worlds, so comparing which policies are asked, and how each tier ends, is enough.
bool is_observed(const Plan& enforced_plan, const PlannedLeg* enforced, const Plan& pending_plan,
                 const PlannedLeg* pending) {
  if (enforced == nullptr || pending == nullptr) return enforced != pending;
  return enforced->ending != pending->ending ||
         !std::ranges::equal(enforced->tiers, pending->tiers, [&](const PlannedTier& a, const PlannedTier& b) {
           return same_tier(enforced_plan, a, pending_plan, b);
         });
}

TraceEntry trace_entry(const PlannedPolicy& policy, const PlannedRule& rule) {
  return {policy.tier, policy.id.kind, policy.id.ns, policy.id.name, rule.index, rule.action, rule.at};
}

TraceEntry trace_entry(const Plan& plan, const PlannedTier& tier) {
  const PlannedPolicy& blamed = plan.policies[tier.end.blamed];
  return {tier.name, blamed.id.kind, blamed.id.ns, blamed.id.name, -1, tier.end.action, blamed.at};
}

TraceEntry no_profile_entry() {
  return {"", PolicyKind::profile, "", "", -1, Action::deny, {}};
}

}  // namespace drywall
