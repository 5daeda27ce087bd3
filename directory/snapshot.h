// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "policy/result.h"
#include "policy/shared_list.h"
#include "policy/yaml.h"

namespace drywall {

/// What was in force: enough to put it in force again without the policy directory.
struct Snapshot {
  std::uint64_t generation = 0;
  std::chrono::sys_time<std::chrono::microseconds> applied_at;
  std::string rendering;                   // of the ruleset (daemon/rendering.h)
  SharedList<yaml::SourceFile> files;      // as they were read, their user's names kept
  std::optional<yaml::SourceFile> config;  // drywall.yaml, if there was one
  bool operator==(const Snapshot&) const = default;
};

/// The messages that put a generation in force whatever the kernel held, as encode_replacement makes them for any
/// kernel: to be sent as they are by a program that knows nothing of policies.
struct SavedBatch {
  std::uint64_t generation = 0;
  std::string rendering;  // of the ruleset, likewise
  std::vector<std::byte> bytes;
  bool operator==(const SavedBatch&) const = default;
};

/// STATE_DIR/last-good/: `manifest.json`, `ruleset.batch`, `drywall.yaml` and `policy.d/`. Written beside it, synced
/// and put in its place whole, so that a crash at any moment leaves the old or the new. If the files were others,
/// what was there becomes STATE_DIR/previous.
///   batch   empty: none is kept
///   errors  what is there is of a newer format: it stays
[[nodiscard]] Result<void> save_snapshot(const std::string& state_dir, const Snapshot& snapshot,
                                         std::span<const std::byte> batch);

/// Which of the two that are kept.
enum class Saved : std::uint8_t { last_good, previous };

/// Nothing if none was ever saved.
///   errors  unreadable, of a newer format, or not what the manifest's hashes say; with the command that gives it up
[[nodiscard]] Result<std::optional<Snapshot>> load_snapshot(const std::string& state_dir,
                                                            Saved which = Saved::last_good);
[[nodiscard]] Result<std::optional<SavedBatch>> load_batch(const std::string& state_dir,
                                                           Saved which = Saved::last_good);

}  // namespace drywall
