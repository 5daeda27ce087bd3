// SPDX-License-Identifier: GPL-2.0-or-later
#include "directory/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "directory/descriptor.h"

namespace drywall {
namespace {

constexpr int most_links = 40;            // as the kernel's own limit (path_resolution(7))
constexpr std::size_t most_places = 256;  // directories watched
constexpr std::size_t most_components = 4096;
constexpr std::int64_t coarsest_time = 50'000'000;  // nanoseconds: file times go by the kernel's tick, at most 10 ms

/// Opens a directory, borrowing nothing; nullptr and errno.
Directory open_directory(const std::string& path) {
  Descriptor fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return nullptr;
  Directory directory(fdopendir(fd.get()));
  if (directory) std::ignore = fd.release();
  return directory;
}

Result<std::string> read_all(int fd, const std::string& name, std::size_t limit) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return tl::unexpected(Failure{"read", name, errno, {}});
  if (S_ISDIR(status.st_mode)) return tl::unexpected(Failure{"read", name, EISDIR, {}});
  if (!S_ISREG(status.st_mode)) return tl::unexpected(Failure{"read", name, 0, "it is not a regular file"});
  std::string text;
  text.resize(std::min(limit, static_cast<std::size_t>(status.st_size)) + 1);  // one more shows that it grew
  std::size_t used = 0;
  for (;;) {
    const ssize_t got = read(fd, text.data() + used, text.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return tl::unexpected(Failure{"read", name, errno, {}});
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
    if (used > limit) {
      return tl::unexpected(Failure{"read", name, EFBIG, fmt::format("more than {} bytes", limit)});
    }
    if (used == text.size()) text.resize(std::min(limit + 1, 2 * used + 4096));
  }
  text.resize(used);
  return text;
}

/// The daemon reads as root without the right to read what is not root's.
std::string way_out(const Failure& failure) {
  const std::string& path = failure.object;
  if (failure.error == EACCES) return fmt::format("chown root {0} && chmod u+rX {0}", path);
  if (failure.error == ELOOP) return "its symbolic links lead in a circle: let them lead to what is meant";
  if (failure.error == ENOENT) return "it is a link to nothing: remove it, or make what it leads to";
  if (failure.error == EISDIR) return "only files are read: move its files up, or give it a name that does not end so";
  if (failure.error == ENOTDIR) return "name a directory";
  if (failure.error == 0) return "remove it, or give it a name that does not end so";
  return {};
}

Diagnostic unreadable(const Failure& failure, std::string_view code, std::string help) {
  return {{failure.object, 0, 0}, 1, Severity::error, std::string(code), to_string(failure), std::move(help), {}};
}

/// The names of the policy files, sorted.
std::vector<std::string> policy_file_names(DIR* directory, const std::string& path, const DirectoryLimits& limits,
                                           Diagnostics& diagnostics) {
  std::vector<std::string> names;
  std::size_t entries = 0;
  for (;;) {
    errno = 0;
    const dirent* const entry = readdir(directory);
    if (entry == nullptr) {
      if (errno != 0) diagnostics.push_back(unreadable({"list", path, errno, {}}, "unreadable-directory", {}));
      break;
    }
    if (is_policy_file_name(entry->d_name)) names.emplace_back(entry->d_name);
    if (++entries > limits.entries || names.size() > limits.files) {
      diagnostics.push_back(unreadable({"read", path, 0, fmt::format("more than {} files", limits.files)},
                                       "too-many-files", "put several documents into one file"));
      break;
    }
  }
  std::ranges::sort(names);
  return names;
}

/// What a policy file is called to the user.
std::string path_in(const std::string& directory, const std::string& name) {
  return fmt::format("{}{}{}", directory, directory.ends_with('/') ? "" : "/", name);
}

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

/// By the clock that file times go by.
std::int64_t nanoseconds_now() {
  timespec time{};
  clock_gettime(CLOCK_REALTIME, &time);
  return nanoseconds(time);
}

std::optional<DirectoryMemo::Identity> identity_of(int directory, const std::string& name) {
  struct stat status {};
  if (fstatat(directory, name.c_str(), &status, 0) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return DirectoryMemo::Identity{status.st_dev, status.st_ino, status.st_size, nanoseconds(status.st_mtim),
                                 nanoseconds(status.st_ctim)};
}

/// The file's text; nothing if it went away since it was listed.
std::optional<Result<std::string>> read_entry(int directory, const std::string& name, const std::string& path,
                                              std::size_t limit) {
  const Descriptor fd(openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (fd) return read_all(fd.get(), path, limit);
  const int error = errno;
  struct stat status {};
  if (error == ENOENT && fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
  return tl::unexpected(Failure{"open", path, error, {}});
}

std::optional<std::string> link_target(const std::string& path) {
  std::array<char, PATH_MAX> target{};
  const ssize_t size = readlink(path.c_str(), target.data(), target.size());
  if (size <= 0 || size == static_cast<ssize_t>(target.size())) return std::nullopt;
  return std::string(target.data(), static_cast<std::size_t>(size));
}

/// Splits at slashes; leaves out empty parts and ".".
std::deque<std::string> components(std::string_view path) {
  std::deque<std::string> parts;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") parts.emplace_back(part);
    path = slash == path.npos ? std::string_view{} : path.substr(slash + 1);
  }
  return parts;
}

void add_place(WatchedPlaces& places, const std::string& directory, const std::string& name) {
  const auto found = places.find(directory);
  if (found != places.end()) {
    found->second.insert(name);
  } else if (places.size() < most_places) {
    places[directory] = {name};
  }
}

/// Walks along a path as the kernel does, and notes each name that it meets.
///   start    a directory free of links, where a relative path begins
///   returns  what the path leads to, free of links; nothing if it leads nowhere
std::optional<std::string> walk(const std::string& start, std::string_view path, WatchedPlaces& places) {
  std::deque<std::string> left = components(path);
  std::string here = path.starts_with('/') ? "/" : start;
  int links = 0;
  while (!left.empty()) {
    const std::string name = left.front();
    left.pop_front();
    if (name == "..") {
      here.erase(std::max<std::size_t>(here.rfind('/'), 1));
      continue;
    }
    add_place(places, here, name);
    const std::string next = path_in(here, name);
    struct stat status {};
    if (lstat(next.c_str(), &status) != 0) return std::nullopt;
    if (!S_ISLNK(status.st_mode)) {
      here = next;
      continue;
    }
    const std::optional<std::string> target = link_target(next);
    if (!target || ++links > most_links) return std::nullopt;
    std::deque<std::string> more = components(*target);
    if (more.size() + left.size() > most_components) return std::nullopt;
    left.insert(left.begin(), more.begin(), more.end());
    if (target->starts_with('/')) here.resize(1);  // the root, as every path begins with it
  }
  return here;
}

}  // namespace

bool is_policy_file_name(std::string_view name) {
  return !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"));
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  const Descriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return tl::unexpected(Failure{"open", path, errno, {}});
  return read_all(fd.get(), path, limit);
}

std::shared_ptr<const yaml::SourceFile> DirectoryMemo::find(const std::string& name, const Identity& identity) const {
  const auto known = files_.find(name);
  return known == files_.end() || known->second.identity != identity ? nullptr : known->second.file;
}

void DirectoryMemo::keep(std::shared_ptr<const yaml::SourceFile> file, const Identity& identity) {
  const std::string name = file->name;
  files_.insert_or_assign(name, Known{std::move(file), identity});
}

DirectoryContents read_directory(const std::string& path, const DirectoryLimits& limits) {
  DirectoryMemo memo;
  return read_directory(path, limits, memo);
}

DirectoryContents read_directory(const std::string& path, const DirectoryLimits& limits, DirectoryMemo& memo) {
  DirectoryContents contents;
  DirectoryMemo now;
  const Directory directory = open_directory(path);
  if (!directory) {
    const int error = errno;
    contents.diagnostics.push_back(
        unreadable({"open", path, error, {}}, "unreadable-directory",
                   error == ENOENT ? fmt::format("create it: mkdir -p {}", path) : way_out({"open", path, error, {}})));
    return contents;
  }
  std::size_t total = 0;
  for (const std::string& name : policy_file_names(directory.get(), path, limits, contents.diagnostics)) {
    const std::string called = path_in(path, name);
    const std::int64_t began = nanoseconds_now();
    const auto identity = identity_of(dirfd(directory.get()), name);
    std::shared_ptr<const yaml::SourceFile> file = identity ? memo.find(called, *identity) : nullptr;
    if (file == nullptr) {
      auto text = read_entry(dirfd(directory.get()), name, called, limits.file_bytes);
      if (!text) continue;
      if (!*text) {
        contents.diagnostics.push_back(unreadable(text->error(), "unreadable-file", way_out(text->error())));
        continue;
      }
      file = std::make_shared<const yaml::SourceFile>(yaml::SourceFile{called, std::move(**text)});
    }
    total += file->text.size();
    if (total > limits.total_bytes) {
      contents.diagnostics.push_back(unreadable(
          {"read", called, EFBIG, fmt::format("all files together are more than {} bytes", limits.total_bytes)},
          "directory-too-large", {}));
      break;
    }
    if (identity && identity->changed < began - coarsest_time) now.keep(file, *identity);
    contents.files.push_back(std::move(file));
  }
  memo = std::move(now);
  sort_diagnostics(contents.diagnostics);
  return contents;
}

WatchedPlaces watched_places(const std::string& path) {
  WatchedPlaces places;
  const std::optional<std::string> real = walk("/", path, places);
  if (!real) return places;
  const Directory directory = open_directory(*real);
  if (!directory) return places;
  std::size_t entries = 0;
  while (const dirent* const entry = readdir(directory.get())) {
    if (++entries > DirectoryLimits{}.entries) break;
    const bool may_be_link = entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN;
    if (may_be_link && is_policy_file_name(entry->d_name)) walk(*real, entry->d_name, places);
  }
  places[*real] = {};
  return places;
}

}  // namespace drywall
