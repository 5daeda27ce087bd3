// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstdint>

#include "policy/rule_tag.h"
#include "render/ruleset.h"

namespace drywall {

/// Which interface a leg belongs to.
enum class InterfaceSide : std::uint8_t { in, out };

/// One place where a leg is judged: a base chain of its own in each world, never two of ours at one (hook, priority).
/// The pending chains of a hook all run before its enforced ones (docs/dataplane.md, base chains).
struct LegHook {
  const char* name;  // of the base chain, behind "enforced-" or "pending-"
  LegPoint point;
  Direction direction;
  Hook hook;
  std::int32_t pending_priority;
  std::int32_t enforced_priority;
  InterfaceSide side;
};

inline constexpr std::array leg_hooks{
    LegHook{"input-from-workload", LegPoint::workload, Direction::egress, Hook::input, -24, -14, InterfaceSide::in},
    LegHook{"input-host", LegPoint::host, Direction::ingress, Hook::input, -23, -13, InterfaceSide::in},
    LegHook{"forward-from-host-endpoint", LegPoint::forward, Direction::ingress, Hook::forward, -28, -18,
            InterfaceSide::in},
    LegHook{"forward-from-workload", LegPoint::workload, Direction::egress, Hook::forward, -27, -17, InterfaceSide::in},
    LegHook{"forward-to-workload", LegPoint::workload, Direction::ingress, Hook::forward, -26, -16, InterfaceSide::out},
    LegHook{"forward-to-host-endpoint", LegPoint::forward, Direction::egress, Hook::forward, -25, -15,
            InterfaceSide::out},
    LegHook{"output-host", LegPoint::host, Direction::egress, Hook::output, -24, -14, InterfaceSide::out},
    // Locally generated packets that were DNATed: only here is their outgoing interface the true one.
    LegHook{"postrouting-host", LegPoint::host, Direction::egress, Hook::postrouting, -152, -150, InterfaceSide::out},
};

/// After the workload's own egress policy: what becomes of its packets to the host. Not a leg, enforced world only.
inline constexpr BaseHook workload_to_host_hook{Hook::input, -12};

}  // namespace drywall
