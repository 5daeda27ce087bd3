// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>

#include "tests/differential/random_policies.h"
#include "tests/differential/yaml_value.h"

namespace drywall::test {

/// A random policy directory for the host of tests/differential/test_network.h: every kind and field that Drywall
/// reads, without mistakes. The same seed gives the same documents.
[[nodiscard]] Documents random_documents(std::uint64_t seed, EarlyPolicies early);

}  // namespace drywall::test
