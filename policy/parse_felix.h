// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "policy/draft.h"

namespace drywall::reading {

/// FelixConfiguration `default`: the fields that mean something on a host that only Drywall polices.
void read_felix_configuration(Document& document);

}  // namespace drywall::reading
