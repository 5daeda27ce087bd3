// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "directory/directory.h"
#include "directory/durable.h"
#include "policy/result.h"

namespace drywall {

/// A moment that no change of the wall clock moves.
struct BootTime {
  std::string boot;              // the kernel's id of this boot
  std::chrono::microseconds at;  // since then, suspended time included
};
[[nodiscard]] BootTime boot_time();

/// How far an edit of the policy directory has come. What counts as the directory's content is never a mix: while files
/// are being written or taken back it is what was there before, whatever lies on the disk.
enum class EditPhase : std::uint8_t {
  writing,  // the content before counts
  written,  // the content after counts, until the deadline, if there is one
  undoing,  // the content before counts
  done,     // what lies on the disk counts; see `outcome`
};
[[nodiscard]] std::string_view to_string(EditPhase phase);

struct EditedFile {
  std::string name;                   // in the directory
  std::optional<std::string> before;  // nothing: there is no such file
  std::optional<std::string> after;
  FileTraits traits;
  bool operator==(const EditedFile&) const = default;
};

/// By when somebody must have confirmed the edit.
struct Confirmation {
  std::string boot;
  std::chrono::microseconds deadline{};               // of that boot
  std::chrono::sys_seconds deadline_utc;              // for people
  std::optional<std::chrono::microseconds> in_force;  // of that boot: since when the kernel holds it
  std::vector<std::string> daemon;                    // the command line of drywalld, to put rules back without it
  bool operator==(const Confirmation&) const = default;
};

/// What is known of the last edit of the policy directory: STATE_DIR/edit/record.
struct EditRecord {
  std::string id;         // no two edits have the same
  std::string verb;       // "promote", "rollback", ...
  std::string by;         // for people
  std::string directory;  // without links
  EditPhase phase = EditPhase::writing;
  std::string outcome;  // of what is done: "kept", "rolled back", "undone"
  std::optional<Confirmation> confirmation;
  std::vector<EditedFile> files;
  bool operator==(const EditRecord&) const = default;
};

[[nodiscard]] std::string edit_directory(const std::string& state_dir);
[[nodiscard]] std::string new_edit_id();

/// Nothing: there never was an edit.
///   errors  unreadable, or not what was written
[[nodiscard]] Result<std::optional<EditRecord>> read_edit_record(const std::string& state_dir);
/// Is on the disk, whole, when it returns. The directory for it exists.
[[nodiscard]] Result<void> write_edit_record(const std::string& state_dir, const EditRecord& record);

/// True of an edit that waits to be confirmed, in time or not.
[[nodiscard]] bool is_armed(const EditRecord& record);
/// True if the time to confirm is over: past, or of another boot.
[[nodiscard]] bool is_due(const EditRecord& record, const BootTime& now);
/// True if what was there before the edit is what counts.
[[nodiscard]] bool is_before_in_force(const EditRecord& record, const BootTime& now);

/// The policy directory as it counts: what an edit that is not complete has done to it is left out.
struct EffectiveDirectory {
  DirectoryContents contents;
  std::optional<EditRecord> record;  // of the last edit, if it is of this directory
};
///   errors  as diagnostics, also if the record cannot be read: then nobody knows what counts
[[nodiscard]] EffectiveDirectory read_effective_directory(const std::string& path, const std::string& state_dir,
                                                          DirectoryMemo& memo);
[[nodiscard]] EffectiveDirectory read_effective_directory(const std::string& path, const std::string& state_dir);

}  // namespace drywall
