// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

namespace drywall {

/// This host's name in lower case: its node's, unless drywall.yaml says another.
[[nodiscard]] std::string host_name();

}  // namespace drywall
