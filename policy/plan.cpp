// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/plan.h"

#include <algorithm>
#include <array>

namespace drywall {
namespace {

bool same_policy(const Plan& left_plan, PolicyIndex left, const Plan& right_plan, PolicyIndex right) {
  return left_plan.policies.shared(left) == right_plan.policies.shared(right) ||
         left_plan.policies[left].id == right_plan.policies[right].id;
}

bool same_tier(const Plan& left_plan, const PlannedTier& left, const Plan& right_plan, const PlannedTier& right) {
  return left.name == right.name && left.end.action == right.end.action &&
         std::ranges::equal(left.policies, right.policies,
                            [&](PolicyIndex a, PolicyIndex b) { return same_policy(left_plan, a, right_plan, b); });
}

// Within one generation a policy's identity stands for its content, and essentials, failsafes and profiles are the same
// in both worlds, so comparing which policies are asked, and how each tier ends, is enough.
bool differ(const Plan& left_plan, const PlannedLeg* left, const Plan& right_plan, const PlannedLeg* right) {
  if (left == nullptr || right == nullptr) return left != right;
  return left->ending != right->ending ||
         !std::ranges::equal(left->tiers, right->tiers, [&](const PlannedTier& a, const PlannedTier& b) {
           return same_tier(left_plan, a, right_plan, b);
         });
}

const PlannedLeg* leg_of(const EndpointInPlan& of, Bucket bucket, Direction direction) {
  return of.endpoint == nullptr ? nullptr : of.endpoint->leg(bucket, direction);
}

}  // namespace

bool SetTable::operator==(const SetTable& other) const {
  return size() == other.size() && std::ranges::all_of(sets_, [&](const auto& entry) {
           const Element found = other.find(entry.first);
           return found == entry.second || (found != nullptr && *found == *entry.second);
         });
}

std::string_view to_string(World world) {
  return world == World::enforced ? "enforced" : "pending";
}

const PlannedLeg* PlannedEndpoint::leg(Bucket bucket, Direction direction) const {
  const auto found = std::ranges::find_if(
      legs, [&](const PlannedLeg& leg) { return leg.bucket == bucket && leg.direction == direction; });
  return found == legs.end() ? nullptr : &*found;
}

std::span<const Bucket> buckets_before(Bucket bucket, Direction direction) {
  static constexpr std::array early{Bucket::untracked, Bucket::pre_dnat};
  switch (bucket) {
    case Bucket::untracked:
      return {};
    case Bucket::pre_dnat:
      return std::span(early).first(1);
    case Bucket::normal:
      return direction == Direction::ingress ? std::span(early) : std::span(early).first(1);
    case Bucket::forward:
      // What goes out was judged where it came in: its way began at another endpoint.
      return direction == Direction::ingress ? std::span<const Bucket>(early) : std::span<const Bucket>();
  }
  return {};
}

bool is_observed(const EndpointInPlan& enforced, const EndpointInPlan& pending, Bucket bucket, Direction direction) {
  const auto differs = [&](Bucket asked) {
    return differ(enforced.plan, leg_of(enforced, asked, direction), pending.plan, leg_of(pending, asked, direction));
  };
  return differs(bucket) || std::ranges::any_of(buckets_before(bucket, direction), differs);
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

bool is_exempt(const Trace& trace) {
  return !trace.empty() && (trace.front().kind == PolicyKind::essential || trace.front().kind == PolicyKind::failsafe);
}

}  // namespace drywall
