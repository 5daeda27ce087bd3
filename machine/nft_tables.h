// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <vector>

#include "machine/base_chains.h"
#include "policy/result.h"

namespace drywall {

/// All chains of nf_tables in this network namespace, of every table, over netlink. Destination NAT by maps is not
/// understood.
///   errors  EPERM: CAP_NET_ADMIN is missing
[[nodiscard]] Result<std::vector<RuleChain>> read_nft_tables();

}  // namespace drywall
