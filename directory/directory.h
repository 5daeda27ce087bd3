// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "policy/diagnostic.h"
#include "policy/result.h"
#include "policy/yaml.h"

namespace drywall {

struct DirectoryLimits {
  std::size_t file_bytes = 16U << 20U;
  std::size_t files = 20'000;
  std::size_t entries = 200'000;  // looked at, policy files or not
  std::size_t total_bytes = 256U << 20U;
};

struct DirectoryContents {
  std::vector<yaml::SourceFile> files;  // sorted by name; called DIRECTORY/NAME
  Diagnostics diagnostics;              // errors: what could not be read; `files` is then incomplete
  bool operator==(const DirectoryContents&) const = default;
};

/// `*.yaml`, `*.yml` and `*.json`, unless the name begins with a dot. (Editors' and package managers' leftovers, such
/// as web.yaml~ and web.yaml.dpkg-old, end in something else.)
[[nodiscard]] bool is_policy_file_name(std::string_view name);

/// Reads the policy files of one directory, as it is at one moment: if another directory takes its name meanwhile, all
/// files are still the first one's. Symbolic links are followed; what is not a regular file is an error and is not
/// waited for.
[[nodiscard]] DirectoryContents read_directory(const std::string& path, const DirectoryLimits& limits = {});

/// Reads one file as read_directory does.
///   errors  with the path as object; ENOENT: there is none
[[nodiscard]] Result<std::string> read_file(const std::string& path, std::size_t limit);

/// Where a change can mean that the directory's contents change: directories, each with the names of interest in it; no
/// names: all of them. Symbolic links on the way to the directory and out of it are followed, so that replacing any of
/// them is noticed; a directory that does not exist is awaited where its path ends. Bounded.
using WatchedPlaces = std::map<std::string, std::set<std::string>>;
[[nodiscard]] WatchedPlaces watched_places(const std::string& path);

}  // namespace drywall
