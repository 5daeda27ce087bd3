// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <span>
#include <string>

#include "policy/edit.h"

namespace drywall::cli {

/// The edits as a unified diff, which `patch -p0` and `git apply -p0` take.
[[nodiscard]] std::string patch_text(std::span<const FileEdit> edits);

}  // namespace drywall::cli
