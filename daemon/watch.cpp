// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/watch.h"

#include <sys/inotify.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace drywall {
namespace {

constexpr std::uint32_t changes = IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                                  IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK;
constexpr int most_rounds = 4;  // of looking again whether the places changed while they were being watched

}  // namespace

void Debounce::change(Time now) {
  if (!first_) first_ = now;
  last_ = now;
}

std::optional<Debounce::Time> Debounce::due(std::chrono::milliseconds quiet) const {
  if (!first_) return std::nullopt;
  return std::min(last_ + quiet, *first_ + patience);
}

void Debounce::reset() {
  first_.reset();
}

Result<DirectoryWatch> DirectoryWatch::open() {
  Descriptor fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd) return tl::unexpected(Failure{"start", "inotify", errno, "fs.inotify.max_user_instances may be too low"});
  return DirectoryWatch(std::move(fd));
}

std::optional<Failure> DirectoryWatch::watch(const WatchedPlaces& places) {
  std::map<int, std::set<std::string>> names;
  std::optional<Failure> failure;
  for (const auto& [directory, interesting] : places) {
    const int watch = inotify_add_watch(fd_.get(), directory.c_str(), changes);
    if (watch < 0) {
      if (errno != ENOENT && errno != ENOTDIR) failure = Failure{"watch", directory, errno, {}};
      continue;
    }
    const auto [entry, is_new] = names.emplace(watch, interesting);
    if (is_new) continue;
    if (interesting.empty()) entry->second.clear();
    if (!entry->second.empty()) entry->second.insert(interesting.begin(), interesting.end());
  }
  for (const auto& [watch, old] : names_) {
    if (!names.contains(watch)) inotify_rm_watch(fd_.get(), watch);
  }
  names_ = std::move(names);
  return failure;
}

std::optional<Failure> DirectoryWatch::refresh(const std::string& path) {
  WatchedPlaces places = watched_places(path);
  std::optional<Failure> failure;
  for (int round = 0; round < most_rounds; ++round) {
    failure = watch(places);
    WatchedPlaces again = watched_places(path);
    if (again == places) break;
    places = std::move(again);
  }
  return failure;
}

bool DirectoryWatch::drain() {
  bool matters = false;
  alignas(inotify_event) std::array<char, 64 * 1024> buffer;
  for (int round = 0; round < 64; ++round) {  // the rest waits for the next turn of the loop
    const ssize_t got = read(fd_.get(), buffer.data(), buffer.size());
    if (got <= 0) break;
    for (ssize_t at = 0; at + static_cast<ssize_t>(sizeof(inotify_event)) <= got;) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* const name = buffer.data() + at + sizeof event;
      const auto watched = names_.find(event.wd);
      at += static_cast<ssize_t>(sizeof event + event.len);
      if ((event.mask & IN_Q_OVERFLOW) != 0) matters = true;
      if (watched == names_.end()) continue;  // left over from a place that is not watched any more
      const bool is_self = (event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) != 0;
      matters |= is_self || watched->second.empty() || (event.len > 0 && watched->second.contains(name));
    }
  }
  return matters;
}

}  // namespace drywall
