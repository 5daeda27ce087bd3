// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace drywall {

/// The user's name as /etc/passwd has it: other sources of users may need a network that is not up yet. Nothing: it has
/// nobody with that number.
[[nodiscard]] std::optional<std::string> local_user_name(uid_t uid);

}  // namespace drywall
