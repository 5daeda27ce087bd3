// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "directory/snapshot.h"
#include "policy/result.h"

namespace drywall {

/// Saves snapshots in the background, so that a slow disk delays nothing: only the newest counts, and the one before,
/// which becomes the previous one.
class SnapshotWriter {
 public:
  explicit SnapshotWriter(std::string state_dir);
  /// Waits until the last one is on the disk.
  ~SnapshotWriter();
  SnapshotWriter(const SnapshotWriter&) = delete;
  SnapshotWriter& operator=(const SnapshotWriter&) = delete;

  /// `batch` is called in the background: what it uses must not change any more.
  void save(Snapshot snapshot, std::function<std::vector<std::byte>()> batch);
  /// How the last save that ended went; nothing if it went well.
  [[nodiscard]] std::optional<Failure> failure() const;

 private:
  struct Order {
    Snapshot snapshot;
    std::function<std::vector<std::byte>()> batch;
  };
  void run();

  const std::string state_dir_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Order> next_;  // two at most
  std::optional<Failure> failure_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace drywall
