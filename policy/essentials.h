// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <vector>

#include "policy/model.h"
#include "policy/plan.h"

namespace drywall {

/// What a host endpoint allows whatever its policy says, or it stops being a host: IPv6 neighbour and router discovery
/// and multicast listener reports, IGMP, and its own DHCP clients. Never recorded.
[[nodiscard]] PlannedPolicy essentials(Direction direction);
/// The same for untracked policy, with the ICMP errors: of an untracked flow they belong to no connection.
[[nodiscard]] PlannedPolicy untracked_essentials(Direction direction);

/// One of these ICMP errors: where policy leaves flows untracked, those that belong to no connection pass the later
/// legs unasked.
[[nodiscard]] bool may_be_about_untracked_flow(const Packet& packet);

/// The failsafe ports as an ordinary policy of Allow rules, one an entry. `net_set` gives the set for a net.
[[nodiscard]] PlannedPolicy failsafes(Direction direction, const std::vector<FailsafePort>& ports,
                                      const std::function<SetIndex(const Prefix&)>& net_set);
/// The same for untracked policy, which must let the answers through too.
///   ports, answered  of this direction and of the other: the answers come from those
[[nodiscard]] PlannedPolicy untracked_failsafes(Direction direction, const std::vector<FailsafePort>& ports,
                                                const std::vector<FailsafePort>& answered,
                                                const std::function<SetIndex(const Prefix&)>& net_set);

}  // namespace drywall
