// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "cli/explain_json.h"
#include "cli/worlds.h"

namespace drywall::cli {

/// The answer of `drywall explain` to one packet, for people: a line with both verdicts, then the legs of both worlds
/// side by side, or one below the other if the page is narrower than 100 columns; then why.
[[nodiscard]] std::string explain_text(const Worlds& worlds, const Passage& passage, const Fates& fates, Why why,
                                       std::size_t width);

}  // namespace drywall::cli
