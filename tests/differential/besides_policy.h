// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "policy/path.h"
#include "policy/plan.h"

// What becomes of packets whatever policy says (docs/dataplane.md, base chains): what judge() does not tell.

namespace drywall::test {

/// Neighbour and router solicitation and listener reports: accepted from a workload to the host.
[[nodiscard]] bool is_workload_discovery(const Packet& packet);

/// An ICMP error that may be about a flow which the endpoint's untracked policy keeps from connection tracking.
[[nodiscard]] bool may_be_about_untracked_flow(const PlannedEndpoint& endpoint, const Packet& packet);

/// A workload that gives an address that is not its own is not heard; behind a bridge, one that no route leads back to.
[[nodiscard]] bool is_spoofed(const Plan& plan, const Passage& passage);

}  // namespace drywall::test
