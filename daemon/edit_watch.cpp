// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/edit_watch.h"

#include <sys/stat.h>

#include <utility>

namespace drywall {
namespace {

EditWatch::Stage stage_of(const EditRecord& record) {
  using Stage = EditWatch::Stage;
  switch (record.phase) {
    case EditPhase::writing:
      return Stage::writing;
    case EditPhase::undoing:
      return Stage::back;
    case EditPhase::written:
      if (is_due(record, boot_time())) return Stage::back;
      return is_armed(record) ? Stage::armed : Stage::kept;
    case EditPhase::done:
      if (record.outcome == "rolled back") return Stage::back;
      return record.outcome == "undone" ? Stage::undone : Stage::kept;
  }
  return Stage::none;
}

}  // namespace

EditWatch::EditWatch(std::string state_dir) : state_dir_(std::move(state_dir)) {}

bool EditWatch::has_changed() {
  struct stat status {};
  std::optional<Stamp> stamp;
  if (stat((edit_directory(state_dir_) + "/record").c_str(), &status) == 0) {
    stamp = Stamp{status.st_ino, status.st_ctim.tv_sec * 1'000'000'000 + status.st_ctim.tv_nsec};
  }
  return std::exchange(stamp_, stamp) != stamp;
}

std::optional<EditWatch::News> EditWatch::look() {
  const bool is_first = !std::exchange(has_looked_, true);
  if (has_changed()) {
    Result<std::optional<EditRecord>> record = read_edit_record(state_dir_);
    if (!record) return std::nullopt;  // the next load says why
    record_ = std::move(*record);
    if (record_) record_->files.clear();
  }
  if (!record_) return std::nullopt;
  const Stage stage = stage_of(*record_);
  News news{stage, record_->verb, record_->by, record_->confirmation, is_first, record_->phase == EditPhase::done};
  armed_ = stage == Stage::armed ? std::optional(news) : std::nullopt;  // the deadline may have moved
  if (std::exchange(told_id_, record_->id) == record_->id && told_ == stage) return std::nullopt;
  told_ = stage;
  return news;
}

}  // namespace drywall
