// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

namespace drywall {

/// The text of /etc/os-release, or of /usr/lib/os-release; empty if there is neither. Bounded.
[[nodiscard]] std::string read_os_release();

}  // namespace drywall
