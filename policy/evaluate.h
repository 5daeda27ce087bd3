// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <optional>

#include "policy/plan.h"

namespace drywall {

enum class Verdict : std::uint8_t { allow, deny, undecided };
[[nodiscard]] std::string_view to_string(Verdict verdict);

struct Decision {
  Verdict verdict = Verdict::undecided;  // undecided only from legs with that ending
  Trace trace;
  bool operator==(const Decision&) const = default;
};

[[nodiscard]] bool matches(const Plan& plan, const Predicate& predicate, const Packet& packet);
/// What one leg does to a packet: Calico's checkTiers (app-policy/checker/check.go) with exact matching.
[[nodiscard]] Decision evaluate(const Plan& plan, const PlannedLeg& leg, const Packet& packet);

/// The first rule of a list of policies that matches.
struct PolicyHit {
  const PlannedPolicy* policy;
  const PlannedRule* rule;
};
/// The same, where something faster than a walk over the rules finds a tier's first match (policy/classifier.h).
using TierMatcher = std::function<std::optional<PolicyHit>(const PlannedTier&)>;
[[nodiscard]] Decision evaluate(const Plan& plan, const PlannedLeg& leg, const Packet& packet,
                                const TierMatcher& match);

}  // namespace drywall
