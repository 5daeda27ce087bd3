// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "policy/result.h"

namespace drywall {

/// Root, where the state directory is another user's (the package's `drywall`), becomes that user and keeps
/// CAP_NET_ADMIN alone, as systemd starts the daemon: what it writes there is the daemon's to read and to replace. All
/// others stay who they are.
///   runtime_dir  is given to that user, and the lock in it
///   errors       of the system calls; then this process may be of use to nobody
[[nodiscard]] Result<void> become_owner_of(const std::string& state_dir, const std::string& runtime_dir);

}  // namespace drywall
