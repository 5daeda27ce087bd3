// SPDX-License-Identifier: GPL-2.0-or-later
#include "directory/durable.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "directory/descriptor.h"

namespace drywall {
namespace {

Result<void> write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return tl::unexpected(Failure{"write", path, errno, {}});
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> give_traits(int fd, const FileTraits& traits, const std::string& path) {
  struct stat now {};
  if (fstat(fd, &now) != 0) return tl::unexpected(Failure{"stat", path, errno, {}});
  const bool has_owner = now.st_uid == traits.uid && now.st_gid == traits.gid;
  if (!has_owner && fchown(fd, traits.uid, traits.gid) != 0) {
    return tl::unexpected(Failure{"change the owner of", path, errno, {}});
  }
  if (fchmod(fd, traits.mode) != 0) return tl::unexpected(Failure{"change the mode of", path, errno, {}});
  for (const auto& [name, value] : traits.attributes) {
    if (fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) != 0) {
      return tl::unexpected(Failure{"set the attribute " + name + " of", path, errno, {}});
    }
  }
  return {};
}

}  // namespace

std::string unfinished_name(std::string_view name) {
  return "." + std::string(name) + ".drywall-new";
}

Result<void> replace_durably(int directory, const std::string& directory_name, const std::string& name,
                             std::string_view text, const FileTraits& traits) {
  const std::string unfinished = unfinished_name(name);
  const std::string path = directory_name + '/' + name;
  if (unlinkat(directory, unfinished.c_str(), 0) != 0 && errno != ENOENT) {
    return tl::unexpected(Failure{"remove", directory_name + '/' + unfinished, errno, {}});
  }
  const Descriptor fd(
      openat(directory, unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return tl::unexpected(Failure{"create", directory_name + '/' + unfinished, errno, {}});
  Result<void> done = write_all(fd.get(), text, path);
  if (done) done = give_traits(fd.get(), traits, path);
  if (done && fsync(fd.get()) != 0) done = tl::unexpected(Failure{"sync", path, errno, {}});
  if (done && renameat(directory, unfinished.c_str(), directory, name.c_str()) != 0) {
    done = tl::unexpected(Failure{"rename", path, errno, {}});
  }
  if (!done) {
    unlinkat(directory, unfinished.c_str(), 0);
    return done;
  }
  if (fsync(directory) != 0) return tl::unexpected(Failure{"sync", directory_name, errno, {}});
  return {};
}

Result<void> remove_durably(int directory, const std::string& directory_name, const std::string& name) {
  if (unlinkat(directory, name.c_str(), 0) != 0 && errno != ENOENT) {
    return tl::unexpected(Failure{"remove", directory_name + '/' + name, errno, {}});
  }
  if (fsync(directory) != 0) return tl::unexpected(Failure{"sync", directory_name, errno, {}});
  return {};
}

}  // namespace drywall
