// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "policy/compile.h"

namespace drywall::cli {

/// This machine as a Host with default settings: its interfaces and their addresses now.
///   node  which node of the directory it is; empty: every endpoint of the directory counts as local
[[nodiscard]] Host this_host(std::string node);

}  // namespace drywall::cli
