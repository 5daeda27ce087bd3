// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "policy/plan.h"
#include "render/chain_pool.h"
#include "render/lower.h"
#include "render/set_pool.h"

namespace drywall {

/// What the enforced world does to workloads' packets besides policy, in base chains of its own.

/// Drops what a workload sends under an address that is not its own (allowedSpoofedSourcePrefixes, and what a machine
/// sends before it has an address, excepted), or to whose source no route leads back. Behind a bridge only the latter:
/// which port a packet came from is not seen there.
void add_workload_source_check(ChainPool<Stance::enforce>& chains, SetPool& sets, const Plan& enforced, Family family,
                               const HookPriorities& priorities);

/// What the workload's egress policy allowed to the host still needs the host's leave (defaultEndpointToHostAction).
void add_workload_to_host(ChainPool<Stance::enforce>& chains, SetPool& sets, const Plan& enforced, Family family,
                          const HookPriorities& priorities);

}  // namespace drywall
