// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/json.h"

namespace drywall::cli {

/// The diagnostics as one run of a SARIF 2.1.0 log, which code review systems show beside the lines.
///   source  docs.oasis-open.org/sarif/sarif/v2.1.0
[[nodiscard]] Json sarif(const Diagnostics& diagnostics);

}  // namespace drywall::cli
