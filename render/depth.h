// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "render/ruleset.h"

namespace drywall {

/// Chains that the kernel takes nested, base chain included; with one more it refuses the whole batch (EMLINK). It
/// counts jump and goto alike, through maps too.
inline constexpr std::size_t deepest_nesting = 15;

/// The most chains of a layer that lead to one another.
///   layer  each chain stands behind all that it names
template <Stance S>
std::size_t nesting(const Layer<S>& layer) {
  std::map<std::string_view, const VerdictMap<S>*> maps;
  for (const VerdictMap<S>& map : layer.maps) maps.emplace(map.name, &map);
  std::map<std::string_view, std::size_t> depths;
  std::size_t deepest = 0;
  const auto behind = [&](const auto& verdict) -> std::size_t {
    if constexpr (requires { verdict.to.text; }) return depths[verdict.to.text];
    return 0;
  };
  for (const Chain<S>& chain : layer.chains) {
    std::size_t below = 0;
    for (const NftRule<S>& rule : chain.rules) {
      below = std::max(below, std::visit(behind, rule.end));
      const auto* dispatch = std::get_if<Dispatch<S>>(&rule.end);
      if (dispatch == nullptr) continue;
      for (const auto& entry : maps.at(dispatch->map)->entries)
        below = std::max(below, std::visit(behind, entry.verdict));
    }
    depths[chain.name.text] = below + 1;
    deepest = std::max(deepest, below + 1);
  }
  return deepest;
}

}  // namespace drywall
