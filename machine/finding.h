// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace drywall {

/// Something about this machine that whoever runs Drywall on it should know.
struct Finding {
  /// error: Drywall does not do its work; warning: what policy says may not come true; note: good to know.
  enum class Weight : std::uint8_t { error, warning, note };
  Weight weight = Weight::note;
  std::string code;     // stable, kebab-case
  std::string message;  // one sentence: what it is
  std::string help;     // one sentence: what to do
  bool operator==(const Finding&) const = default;
};

using Findings = std::vector<Finding>;

}  // namespace drywall
