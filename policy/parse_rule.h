// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <vector>

#include "policy/model.h"
#include "policy/reader.h"

namespace drywall::reading {

inline constexpr std::size_t most_rules = 1024;  // of one policy and direction

/// Whose rule it is: not every rule may say everything.
enum class RuleOwner { global_policy, namespaced_policy, profile };

/// The rules of `ingress` or `egress` (projectcalico.org/v3 Rule).
///   spec  the policy's or profile's
[[nodiscard]] std::vector<Rule> read_rules(Fields& spec, Direction direction, RuleOwner owner);

}  // namespace drywall::reading
