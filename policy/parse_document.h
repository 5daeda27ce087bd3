// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "policy/draft.h"

namespace drywall::reading {

/// Reads one YAML document into the draft: a resource of any kind, or a list of resources.
void read_document(Reader& reader, Draft& draft, const yaml::Node& root);

}  // namespace drywall::reading
