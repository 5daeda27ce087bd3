// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "flow/logged_packet.h"
#include "policy/result.h"
#include "policy/yaml.h"

namespace drywall {

/// What was in force: enough to put it in force again without the policy directory.
struct Snapshot {
  std::uint64_t generation = 0;
  Timestamp applied_at;
  std::string rendering;                   // SHA-256 of the ruleset as text
  std::vector<yaml::SourceFile> files;     // as they were read, their user's names kept
  std::optional<yaml::SourceFile> config;  // drywall.yaml, if there was one
  bool operator==(const Snapshot&) const = default;
};

/// STATE_DIR/last-good/: `manifest.json`, `drywall.yaml` and `policy.d/`. Written beside it, synced and put in its
/// place whole, so that a crash at any moment leaves the old or the new.
[[nodiscard]] Result<void> save_snapshot(const std::string& state_dir, const Snapshot& snapshot);

/// Nothing if none was ever saved.
///   errors  unreadable, of a newer format, or not what the manifest's hashes say
[[nodiscard]] Result<std::optional<Snapshot>> load_snapshot(const std::string& state_dir);

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
