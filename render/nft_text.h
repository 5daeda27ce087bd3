// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "render/ruleset.h"

namespace drywall {

/// The ruleset as text that `nft -f` takes, deterministic; loading it replaces our tables and nothing else.
[[nodiscard]] std::string nft_text(const Ruleset& ruleset);

}  // namespace drywall
