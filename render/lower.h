// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <tl/expected.hpp>

#include "policy/diagnostic.h"
#include "policy/plan.h"
#include "render/ruleset.h"

namespace drywall {

/// Which verdicts of the enforced world are logged (the pending world always logs).
enum class LogEnforced : std::uint8_t { all, deny, none };

struct RenderOptions {
  std::uint16_t nflog_group = 4242;
  LogEnforced log_enforced = LogEnforced::all;
  bool operator==(const RenderOptions&) const = default;
};

/// Both worlds as one ruleset: the enforced plan's legs in the enforce stance and, where the pending plan differs
/// (is_observed), the pending plan's whole legs in the observe stance, in base chains that run before them.
///   errors  Diagnostics for what the kernel could not hold (chains nested too deep)
///   source  docs/dataplane.md
[[nodiscard]] tl::expected<Ruleset, Diagnostics> lower(const Plan& enforced, const Plan& pending,
                                                       const RenderOptions& options);

}  // namespace drywall
