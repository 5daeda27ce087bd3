// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <string>

#include "tests/differential/expectation.h"
#include "tests/differential/journey.h"
#include "tests/differential/policed_host.h"

namespace drywall::test {

/// Lets the packets of a journey through the kernel, which holds the directory's rules, and compares what becomes of
/// each with what the evaluator says. Nothing if they agree; else both, for people.
[[nodiscard]] std::optional<std::string> difference(PolicedHost& host, JudgedDirectory& directory,
                                                    const Journey& journey);

}  // namespace drywall::test
