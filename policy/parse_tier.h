// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <vector>

#include "policy/draft.h"

namespace drywall::reading {

/// kube-admin, default and kube-baseline exist without being written.
[[nodiscard]] std::vector<Tier> built_in_tiers();

void read_tier(Document& document);

}  // namespace drywall::reading
