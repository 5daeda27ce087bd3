// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "render/ruleset.h"

namespace drywall {

/// The ruleset as text that `nft -f` takes, deterministic; loading it replaces our tables and nothing else.
[[nodiscard]] std::string nft_text(const Ruleset& ruleset);

/// One object of a table in the same words.
[[nodiscard]] std::string nft_text(const Set& set, Family family);
[[nodiscard]] std::string nft_text(const LimiterSet& set, Family family);
template <Stance S>
[[nodiscard]] std::string nft_text(const Chain<S>& chain, Family family);
template <Stance S>
[[nodiscard]] std::string nft_text(const VerdictMap<S>& map, Family family);

}  // namespace drywall
