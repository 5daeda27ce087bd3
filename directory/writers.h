// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "policy/diagnostic.h"

namespace drywall {

/// Warnings if others than root, or than the user of this program, may change what the policy directory says: it, or a
/// file in it, belongs to somebody else, or everybody may write there. One for the directory, one for all its files.
/// What cannot be looked at is no business of this function.
[[nodiscard]] Diagnostics foreign_writers(const std::string& directory);

}  // namespace drywall
