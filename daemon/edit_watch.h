// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "directory/edit_record.h"

namespace drywall {

/// Notices what becomes of edits of the policy directory: others write them, and their time runs out.
class EditWatch {
 public:
  explicit EditWatch(std::string state_dir);

  /// What an edit has come to.
  enum class Stage : std::uint8_t {
    none,     // nothing to tell
    writing,  // the directory counts as it was before
    armed,    // it counts as it is, if somebody confirms in time
    kept,     // it counts as it is
    undone,   // it failed, and the directory is as it was before
    back,     // rolled back: it counts as it was before, though the files may not have been written yet
  };
  struct News {
    Stage stage = Stage::none;
    std::string verb;
    std::string by;
    std::optional<Confirmation> confirmation;
    bool is_first = false;  // found when looking for the first time
    bool is_over = false;   // its files are as they should be
    /// True if what counts may be other than before.
    [[nodiscard]] bool asks_for_load() const { return stage != Stage::none && stage != Stage::writing; }
  };
  /// Cheap. Nothing if all is as it was when last asked.
  [[nodiscard]] std::optional<News> look();

  /// Of the edit that waits for confirmation now.
  [[nodiscard]] const std::optional<News>& armed() const { return armed_; }

 private:
  [[nodiscard]] bool has_changed();

  std::string state_dir_;
  struct Stamp {
    ino_t inode = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  std::optional<Stamp> stamp_;
  bool has_looked_ = false;
  std::optional<EditRecord> record_;  // without texts
  std::string told_id_;
  Stage told_ = Stage::none;
  std::optional<News> armed_;
};

}  // namespace drywall
