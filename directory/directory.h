// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "policy/diagnostic.h"
#include "policy/result.h"
#include "policy/shared_list.h"
#include "policy/yaml.h"

namespace drywall {

struct DirectoryLimits {
  std::size_t file_bytes = 16U << 20U;
  std::size_t files = 20'000;
  std::size_t entries = 200'000;  // looked at, policy files or not
  std::size_t total_bytes = 256U << 20U;
};

struct DirectoryContents {
  SharedList<yaml::SourceFile> files;  // sorted by name; called DIRECTORY/NAME
  Diagnostics diagnostics;             // errors: what could not be read; `files` is then incomplete
  bool operator==(const DirectoryContents&) const = default;
};

/// `*.yaml`, `*.yml` and `*.json`, unless the name begins with a dot. (Editors' and package managers' leftovers, such
/// as web.yaml~ and web.yaml.dpkg-old, end in something else.)
[[nodiscard]] bool is_policy_file_name(std::string_view name);

/// Reads the policy files of one directory, as it is at one moment: if another directory takes its name meanwhile, all
/// files are still the first one's. Symbolic links are followed; what is not a regular file is an error and is not
/// waited for.
[[nodiscard]] DirectoryContents read_directory(const std::string& path, const DirectoryLimits& limits = {});

/// The files of the last reading, each with what the file system said of it then. A file of which it says the same is
/// not read again; but one that had changed just before it was read is, as its times could not tell a change after.
class DirectoryMemo {
 public:
  struct Identity {
    std::uint64_t device = 0;
    std::uint64_t number = 0;
    std::int64_t size = 0;
    std::int64_t modified = 0;  // nanoseconds
    std::int64_t changed = 0;   // likewise; no program can set it
    bool operator==(const Identity&) const = default;
  };
  [[nodiscard]] std::shared_ptr<const yaml::SourceFile> find(const std::string& name, const Identity& identity) const;
  void keep(std::shared_ptr<const yaml::SourceFile> file, const Identity& identity);

 private:
  friend DirectoryContents read_directory(const std::string& path, const DirectoryLimits& limits, DirectoryMemo& memo);
  struct Known {
    std::shared_ptr<const yaml::SourceFile> file;
    Identity identity;
  };
  std::map<std::string, Known> files_;  // by name
};
[[nodiscard]] DirectoryContents read_directory(const std::string& path, const DirectoryLimits& limits,
                                               DirectoryMemo& memo);

/// Reads one file as read_directory does.
///   errors  with the path as object; ENOENT: there is none
[[nodiscard]] Result<std::string> read_file(const std::string& path, std::size_t limit);

/// Where a change can mean that the directory's contents change: directories, each with the names of interest in it; no
/// names: all of them. Symbolic links on the way to the directory and out of it are followed, so that replacing any of
/// them is noticed; a directory that does not exist is awaited where its path ends. Bounded.
using WatchedPlaces = std::map<std::string, std::set<std::string>>;
[[nodiscard]] WatchedPlaces watched_places(const std::string& path);

}  // namespace drywall
