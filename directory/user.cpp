// SPDX-License-Identifier: GPL-2.0-or-later
#include "directory/user.h"

#include <pwd.h>

#include <cstdio>
#include <memory>

namespace drywall {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

}  // namespace

std::optional<std::string> local_user_name(uid_t uid) {
  const std::unique_ptr<std::FILE, CloseFile> users(std::fopen("/etc/passwd", "re"));
  while (const passwd* const user = users ? fgetpwent(users.get()) : nullptr) {
    if (user->pw_uid == uid) return user->pw_name;
  }
  return std::nullopt;
}

}  // namespace drywall
