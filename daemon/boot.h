// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "policy/result.h"

namespace drywall {

/// Puts what the last run saved into the kernel, before the network is up: no bus, no policy file, no interface is
/// needed or waited for. Tables of ours that are there already stay as they are.
///   returns  what was done, for the journal
///   errors   the saved state cannot be used, with the command that gives it up, or the kernel refused it; nothing
///   changed
[[nodiscard]] Result<std::string> load_at_boot(const std::string& state_dir);

/// Makes the batch's tables anybody's, for a kernel that does not know tables of one owner: the saved batch may be from
/// another one.
void forget_owner(std::span<std::byte> batch);

/// Takes our tables out of the kernel, for when the program itself goes. A daemon that runs puts them back.
///   returns  what was done
[[nodiscard]] Result<std::string> remove_rules();

}  // namespace drywall
