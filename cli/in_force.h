// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <vector>

#include "cli/edit.h"
#include "policy/compile.h"

namespace drywall::cli {

/// From what is in force to what the files are; nothing: what is in force is not on the disk (yet).
[[nodiscard]] std::optional<std::vector<FileEdit>> differences_from_force(const EditPlace& place,
                                                                          const std::vector<yaml::SourceFile>& files);

/// From what the files are to those of the generation before; nothing: there is none.
[[nodiscard]] std::optional<std::vector<FileEdit>> edits_to_previous(const EditPlace& place,
                                                                     const std::vector<yaml::SourceFile>& files);

/// This host as drywalld has it: its node and failsafe ports, the rest with default settings.
///   status  drywalld's
[[nodiscard]] Host host_in_force(const Json& status);

}  // namespace drywall::cli
