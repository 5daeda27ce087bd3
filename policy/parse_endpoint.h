// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "policy/draft.h"

namespace drywall::reading {

void read_host_endpoint(Document& document);
void read_workload_endpoint(Document& document);

}  // namespace drywall::reading
