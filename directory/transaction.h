// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "directory/descriptor.h"
#include "directory/edit_record.h"
#include "policy/edit.h"
#include "policy/result.h"

// Edits of the policy directory that are whole or not at all: what is to be written, and what was there, is on the disk
// (directory/edit_record.h) before the first file is touched. One record's phase decides what counts; changing it is
// one rename. So a writer may die anywhere: drywalld never takes a mix, and who writes next finishes what is left.

namespace drywall {

/// Whoever holds it may edit; the kernel lets go of it if they die.
///   errors  EWOULDBLOCK: somebody else is editing
enum class Patience : std::uint8_t { none, endless };
[[nodiscard]] Result<Descriptor> lock_edits(const std::string& state_dir, Patience patience);

/// Looks at each file that is to be edited: it is still what `before` says, lies in the directory itself and is no
/// link, and belongs to root or to whom this process runs as; anything else is refused with its owner named.
///   directory  without links
[[nodiscard]] Result<std::vector<EditedFile>> inspect_files(const std::string& directory,
                                                            std::span<const FileEdit> edits);

/// Writes the files after the edit; the record then says `written`. If that fails, everything is as it was.
///   record  of phase `writing`, not on the disk yet
[[nodiscard]] Result<void> apply_edit(const std::string& state_dir, EditRecord& record);

/// Writes the files before the edit. One that somebody changed meanwhile is kept beside it as NAME.drywall-saved.
///   outcome  "undone", "rolled back"
///   returns  the names of those
[[nodiscard]] Result<std::vector<std::string>> undo_edit(const std::string& state_dir, EditRecord& record,
                                                         const std::string& outcome);

/// The edit stays: nothing of it needs to be remembered.
[[nodiscard]] Result<void> close_edit(const std::string& state_dir, EditRecord& record, const std::string& outcome);

/// The files that are neither as the edit left them nor as they were before.
[[nodiscard]] std::vector<std::string> changed_since(const EditRecord& record);

/// What a writer that died left, and what became of it.
struct Recovery {
  enum class Outcome : std::uint8_t {
    nothing,      // there was nothing to do
    undone,       // the files had not all been written
    kept,         // they had, and nobody had to confirm
    armed,        // they had; it is not too late to confirm
    rolled_back,  // it was
  };
  Outcome outcome = Outcome::nothing;
  EditRecord record;               // as it was found
  std::vector<std::string> saved;  // changed by somebody else, kept as NAME.drywall-saved
};
///   needs   the lock
///   errors  also a record that belongs neither to root nor to whom this process runs as: what it says is not believed
[[nodiscard]] Result<Recovery> recover_edit(const std::string& state_dir);

}  // namespace drywall
