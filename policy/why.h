// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "policy/plan.h"

namespace drywall {

/// What a leg asks on its way to a verdict.
enum class Step : std::uint8_t {
  rule,
  empty_policy,  // a policy or profile without rules in this direction
  end_of_tier,
  no_profile,  // denies
  no_policy,   // the packet goes on undenied; evaluate() has no trace entry for it
};

enum class Outcome : std::uint8_t {
  missed,  // says nothing about this packet
  noted,   // a Log rule that matches: the next rule is asked
  hit,     // allows, denies or passes
};

/// One thing that a leg asked about a packet.
struct Considered {
  Step step = Step::rule;
  TraceEntry entry;  // `action` means nothing for an empty_policy
  Outcome outcome = Outcome::missed;
  std::string reason;  // for the user: the criteria that failed, or those that hold
  bool operator==(const Considered&) const = default;
};

/// Everything that a leg asks about a packet, in order, up to what decides. The entries of hits, apart from no_policy,
/// are the trace of evaluate(). A rule that stands in the plan once for each family is asked once.
[[nodiscard]] std::vector<Considered> why(const Plan& plan, const PlannedLeg& leg, const Packet& packet);

}  // namespace drywall
