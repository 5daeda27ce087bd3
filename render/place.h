// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "policy/diagnostic.h"
#include "render/ruleset.h"

namespace drywall {

/// Where the user wrote what a chain, map or set was made for: the first rule with a place that is reached from the
/// chain or map, or that reads the set. No file: nothing of the user's, or there is no such object.
[[nodiscard]] SourceLocation place_of(const Ruleset& ruleset, Family family, const std::string& name);

}  // namespace drywall
