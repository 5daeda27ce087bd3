// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <vector>

#include "cli/json.h"
#include "cli/terminal.h"
#include "policy/plan.h"

namespace drywall::cli {

[[nodiscard]] std::vector<std::string> flow_headings(bool wide);
/// A flow record (docs/flow-records.md) as a row of the table.
[[nodiscard]] std::vector<Cell> flow_row(const Json& record, bool wide);
/// The lines below it: who decided in each world; wide: file and line too.
[[nodiscard]] std::string flow_traces(const Json& record, bool wide);

/// `NetworkPolicy prod/web rule 0 allows`, or `would allow` in the pending world; `end of tier default denies
/// (GlobalNetworkPolicy lockdown)`.
[[nodiscard]] std::string hit_text(const Json& hit, World world, bool wide);

}  // namespace drywall::cli
