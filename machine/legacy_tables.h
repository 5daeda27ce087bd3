// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <vector>

#include "machine/base_chains.h"

namespace drywall {

/// The tables that the old iptables (iptables-legacy) has rules or a policy of Drop in, which nf_tables does not show:
/// one chain for each hook of such a table, each with all that the table can do. Tables with nothing in them are left
/// out, and so is what cannot be read: without CAP_NET_ADMIN, or where /proc does not name the tables to us (to ask for
/// a table that is not there would make it).
[[nodiscard]] std::vector<RuleChain> read_legacy_tables();

}  // namespace drywall
