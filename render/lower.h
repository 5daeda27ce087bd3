// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <tl/expected.hpp>

#include "policy/diagnostic.h"
#include "policy/plan.h"
#include "render/hook_plan.h"
#include "render/ruleset.h"

namespace drywall {

/// Which verdicts of the enforced world are logged (the pending world always logs).
enum class LogEnforced : std::uint8_t { all, deny, none };

/// How much evidence a flood may make. Each leaf logs at its own rate; beyond it each flow is still logged now and
/// then; beyond what the set of flows holds the packets are only counted.
struct LogLimits {
  std::uint32_t leaf_rate = 10'000;  // a second
  std::uint32_t leaf_burst = 20'000;
  std::uint32_t untracked_leaf_rate = 1'000;  // untracked policy is asked for every packet, not every connection
  std::uint32_t untracked_leaf_burst = 2'000;
  std::uint32_t flow_rate = 1;
  std::uint32_t flow_burst = 5;
  std::uint32_t flows = 65'535;
  std::uint32_t flow_memory_seconds = 10;
  bool operator==(const LogLimits&) const = default;
};

struct RenderOptions {
  std::uint16_t nflog_group = 4242;
  LogEnforced log_enforced = LogEnforced::all;
  LogLimits limits = {};
  std::size_t fewest_port_rules = 6;  // of one tier that are worth a lookup by port
  HookPriorities priorities = {};
  bool operator==(const RenderOptions&) const = default;
};

/// Both worlds as one ruleset: the enforced plan's legs in the enforce stance and, where the pending plan differs
/// (is_observed), the pending plan's whole legs in the observe stance, in base chains that run before them.
///   errors  Diagnostics for what the kernel could not hold (chains nested too deep)
///   source  docs/dataplane.md
[[nodiscard]] tl::expected<Ruleset, Diagnostics> lower(const Plan& enforced, const Plan& pending,
                                                       const RenderOptions& options);

}  // namespace drywall
