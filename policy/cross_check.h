// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "policy/draft.h"
#include "policy/report.h"

namespace drywall::reading {

/// Checks the resources against each other when all are read, and completes the inventory: namespaces that are only
/// named get their profile. Mistakes and warnings are reported.
void cross_check(Draft& draft, Report& report);

}  // namespace drywall::reading
