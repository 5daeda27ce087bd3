// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <vector>

#include "policy/why.h"

namespace drywall::cli {

/// All that a leg asked, as lines under their tiers and policies. What the host allows whatever the policies say
/// (essentials, failsafes) takes one line each, unless it decides.
[[nodiscard]] std::string why_text(const std::vector<Considered>& all);

}  // namespace drywall::cli
