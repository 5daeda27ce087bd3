// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "policy/model.h"
#include "policy/parse_rule.h"
#include "policy/plan.h"
#include "policy/reader.h"

namespace drywall::reading {

/// Which end of which rule is read.
struct EntityPlace {
  Side side;
  Direction direction;
  RuleOwner owner;
};

/// `source` or `destination` of a rule (projectcalico.org/v3 EntityRule).
[[nodiscard]] EntityMatch read_entity(Fields& rule, EntityPlace place);

}  // namespace drywall::reading
