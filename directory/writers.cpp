// SPDX-License-Identifier: GPL-2.0-or-later
#include "directory/writers.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>

#include "directory/descriptor.h"
#include "directory/directory.h"
#include "directory/user.h"

namespace drywall {
namespace {

std::string described_user(uid_t uid) {
  const std::optional<std::string> name = local_user_name(uid);
  return name ? fmt::format("{} (uid {})", *name, uid) : fmt::format("uid {}", uid);
}

bool is_foreign(const struct stat& status) {
  return status.st_uid != 0 && status.st_uid != geteuid();
}

/// A directory whose entries only their owners may replace still takes new ones from everybody.
bool is_open_to_all(const struct stat& status) {
  return (status.st_mode & S_IWOTH) != 0;
}

std::optional<Diagnostic> finding(const std::string& path, const struct stat& status) {
  const auto warning = [&](std::string_view code, std::string message, std::string help) {
    return Diagnostic{{path, 0, 0}, 1, Severity::warning, std::string(code), std::move(message), std::move(help), {}};
  };
  if (is_open_to_all(status)) {
    return warning("world-writable", fmt::format("{}: everybody on this host can change policy", path),
                   fmt::format("chmod o-w {}", path));
  }
  if (is_foreign(status)) {
    return warning("foreign-owner",
                   fmt::format("{} can change policy: {} is theirs", described_user(status.st_uid), path),
                   fmt::format("chown root {}", path));
  }
  return std::nullopt;
}

}  // namespace

Diagnostics foreign_writers(const std::string& directory) {
  Diagnostics out;
  const Directory entries(opendir(directory.c_str()));
  struct stat status {};
  if (!entries || fstat(dirfd(entries.get()), &status) != 0) return out;
  if (std::optional<Diagnostic> found = finding(directory, status)) out.push_back(std::move(*found));

  std::optional<Diagnostic> first;
  std::size_t more = 0;
  std::size_t looked_at = 0;
  while (const dirent* const entry = readdir(entries.get())) {
    if (++looked_at > DirectoryLimits{}.entries) break;
    if (!is_policy_file_name(entry->d_name) || fstatat(dirfd(entries.get()), entry->d_name, &status, 0) != 0) continue;
    if (!is_foreign(status) && !is_open_to_all(status)) continue;
    if (first) {
      ++more;
    } else {
      first = finding(directory + '/' + entry->d_name, status);
    }
  }
  if (first && more > 0) first->message += fmt::format(", and {} more", more);
  if (first) out.push_back(std::move(*first));
  return out;
}

}  // namespace drywall
