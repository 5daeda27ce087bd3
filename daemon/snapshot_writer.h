// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "directory/snapshot.h"
#include "policy/result.h"

namespace drywall {

/// Saves snapshots in the background, so that a slow disk delays nothing: only the newest counts.
class SnapshotWriter {
 public:
  explicit SnapshotWriter(std::string state_dir);
  /// Waits until the last one is on the disk.
  ~SnapshotWriter();
  SnapshotWriter(const SnapshotWriter&) = delete;
  SnapshotWriter& operator=(const SnapshotWriter&) = delete;

  void save(Snapshot snapshot);
  /// How the last save that ended went; nothing if it went well.
  [[nodiscard]] std::optional<Failure> failure() const;

 private:
  void run();

  const std::string state_dir_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<Snapshot> next_;
  std::optional<Failure> failure_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace drywall
