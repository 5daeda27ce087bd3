// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <vector>

#include "policy/compile.h"
#include "policy/result.h"

namespace drywall {

/// One network interface of this network namespace.
struct Link {
  std::uint32_t index = 0;
  Interface interface;  // addresses sorted
};

/// All interfaces, sorted by name, with their addresses and the bridge that each is a port of (rtnetlink(7)).
///   errors  the system call's
[[nodiscard]] Result<std::vector<Link>> read_links();

}  // namespace drywall
