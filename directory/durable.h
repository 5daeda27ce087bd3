// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/result.h"

namespace drywall {

/// What a file is besides its text.
struct FileTraits {
  std::uint32_t mode = 0644;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::pair<std::string, std::string>> attributes;  // extended ones
  bool operator==(const FileTraits&) const = default;
};

/// The name under which a file is written until it is whole: hidden, so no policy file's.
[[nodiscard]] std::string unfinished_name(std::string_view name);

/// Puts a file with this text in the place of what has the name, or of nothing. When it returns it is on the disk,
/// whole, with owner, mode and extended attributes; before, the old one is.
///   directory       borrowed descriptor
///   directory_name  for messages
[[nodiscard]] Result<void> replace_durably(int directory, const std::string& directory_name, const std::string& name,
                                           std::string_view text, const FileTraits& traits);

/// Removes a file, if it is there, and forgets it on the disk too.
[[nodiscard]] Result<void> remove_durably(int directory, const std::string& directory_name, const std::string& name);

}  // namespace drywall
