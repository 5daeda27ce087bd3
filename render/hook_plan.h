// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstdint>

#include "policy/rule_tag.h"
#include "render/ruleset.h"

namespace drywall {

/// Which interface a leg belongs to.
enum class InterfaceSide : std::uint8_t { in, out };

/// Which of the kernel's own steps a base chain must run before or after; its priority can be moved within that.
enum class Stage : std::uint8_t {
  raw,     // before connection tracking (-200)
  mangle,  // after it, before DNAT (-100)
  filter,  // after DNAT, before source NAT
};

/// Where a stage's first base chain is; the others keep their distance to it (docs/dataplane.md, base chains).
struct HookPriorities {
  std::int32_t raw = -296;
  std::int32_t mangle = -152;
  std::int32_t filter = -28;
  bool operator==(const HookPriorities&) const = default;
};

/// One place where a leg is judged: a base chain of its own in each world, never two of ours at one (hook, priority).
/// The pending chains of a hook all run before its enforced ones (docs/dataplane.md, base chains).
struct LegHook {
  const char* name;  // of the base chain, behind "enforced-" or "pending-"
  LegPoint point;
  Direction direction;
  Hook hook;
  Stage stage;
  std::int32_t pending_place;  // behind the stage's first
  std::int32_t enforced_place;
  InterfaceSide side;
};

inline constexpr std::array leg_hooks{
    LegHook{"prerouting-untracked", LegPoint::untracked, Direction::ingress, Hook::prerouting, Stage::raw, 0, 1,
            InterfaceSide::in},
    LegHook{"output-untracked", LegPoint::untracked, Direction::egress, Hook::output, Stage::raw, 0, 1,
            InterfaceSide::out},
    LegHook{"prerouting-before-dnat", LegPoint::pre_dnat, Direction::ingress, Hook::prerouting, Stage::mangle, 0, 2,
            InterfaceSide::in},
    LegHook{"input-from-workload", LegPoint::workload, Direction::egress, Hook::input, Stage::filter, 4, 14,
            InterfaceSide::in},
    LegHook{"input-host", LegPoint::host, Direction::ingress, Hook::input, Stage::filter, 5, 15, InterfaceSide::in},
    LegHook{"forward-from-host-endpoint", LegPoint::forward, Direction::ingress, Hook::forward, Stage::filter, 0, 10,
            InterfaceSide::in},
    LegHook{"forward-from-workload", LegPoint::workload, Direction::egress, Hook::forward, Stage::filter, 1, 11,
            InterfaceSide::in},
    LegHook{"forward-to-workload", LegPoint::workload, Direction::ingress, Hook::forward, Stage::filter, 2, 12,
            InterfaceSide::out},
    LegHook{"forward-to-host-endpoint", LegPoint::forward, Direction::egress, Hook::forward, Stage::filter, 3, 13,
            InterfaceSide::out},
    LegHook{"output-host", LegPoint::host, Direction::egress, Hook::output, Stage::filter, 4, 14, InterfaceSide::out},
    // Locally generated packets that were DNATed: only here is their outgoing interface the true one.
    LegHook{"postrouting-host", LegPoint::host, Direction::egress, Hook::postrouting, Stage::mangle, 0, 2,
            InterfaceSide::out},
};

/// Where a base chain of that stage goes; `place` counts from the stage's first.
inline BaseHook base_hook(Hook hook, Stage stage, std::int32_t place, const HookPriorities& priorities) {
  switch (stage) {
    case Stage::raw:
      return {hook, priorities.raw + place};
    case Stage::mangle:
      return {hook, priorities.mangle + place};
    case Stage::filter:
      break;
  }
  return {hook, priorities.filter + place};
}

// Not legs, and in the enforced world only: where a workload's packets come from (raw, prerouting), and what becomes
// of those to the host after the workload's own egress policy (filter, input).
inline constexpr std::int32_t workload_source_place = 2;
inline constexpr std::int32_t workload_to_host_place = 16;

}  // namespace drywall
