// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <vector>

#include "policy/plan.h"
#include "render/ruleset.h"
#include "render/set_pool.h"

namespace drywall {

/// What a rule's criteria are in one family: alternatives, each a list of matches that must all hold. No alternative:
/// no packet of this family can match. Used by both stances alike.
///   predicates  as in PlannedRule::all_of
[[nodiscard]] std::vector<std::vector<Match>> lower_match(const Plan& plan, const std::vector<Predicate>& predicates,
                                                          Family family, SetPool& sets);

}  // namespace drywall
