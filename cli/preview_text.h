// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "cli/json.h"

namespace drywall::cli {

/// The preview that drywalld gives (docs/preview.md) for people: what would change, what it rests on, and whether to
/// go on.
[[nodiscard]] std::string preview_text(const Json& preview);

}  // namespace drywall::cli
