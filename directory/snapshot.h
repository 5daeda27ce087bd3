// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "policy/result.h"
#include "policy/yaml.h"

namespace drywall {

/// What was in force: enough to put it in force again without the policy directory.
struct Snapshot {
  std::uint64_t generation = 0;
  std::chrono::sys_time<std::chrono::microseconds> applied_at;
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

}  // namespace drywall
