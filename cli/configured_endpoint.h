// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "policy/model.h"

namespace drywall::cli {

/// Adds what `host_endpoint: auto` of this host's drywall.yaml makes, if it is set: for verbs that judge this host's
/// own policy directory.
///   node  empty: this host's
void add_configured_endpoint(Inventory& inventory, const std::string& node);

}  // namespace drywall::cli
