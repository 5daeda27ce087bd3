// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "directory/descriptor.h"
#include "directory/directory.h"
#include "policy/result.h"

namespace drywall {

/// When to act on changes: once they have paused for `quiet`, at the latest `patience` after the first.
class Debounce {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::milliseconds patience{1000};

  void change(Time now);
  /// Nothing if nothing changed since the last `reset`.
  [[nodiscard]] std::optional<Time> due(std::chrono::milliseconds quiet) const;
  void reset();

 private:
  std::optional<Time> first_;
  Time last_;
};

/// Notices that the contents of a directory may have changed, wherever a symbolic link puts them.
class DirectoryWatch {
 public:
  [[nodiscard]] static Result<DirectoryWatch> open();

  /// Readable when there is something to drain.
  [[nodiscard]] int descriptor() const { return fd_.get(); }
  /// Watches what `path` leads to now. Call it before each reading of the directory: what changes after is reported.
  ///   returns  why some of it could not be watched
  std::optional<Failure> refresh(const std::string& path);
  /// True if any of what came since the last call matters, or if some of it was lost.
  [[nodiscard]] bool drain();

 private:
  explicit DirectoryWatch(Descriptor fd) : fd_(std::move(fd)) {}
  std::optional<Failure> watch(const WatchedPlaces& places);

  Descriptor fd_;
  WatchedPlaces places_;
  std::map<int, std::set<std::string>> names_;  // by watch descriptor; empty: all
};

}  // namespace drywall
