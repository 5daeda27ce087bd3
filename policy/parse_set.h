// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "policy/draft.h"

namespace drywall::reading {

/// NetworkSet and GlobalNetworkSet.
void read_network_set(Document& document);

}  // namespace drywall::reading
