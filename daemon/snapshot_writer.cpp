// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/snapshot_writer.h"

#include <exception>
#include <utility>

namespace drywall {

SnapshotWriter::SnapshotWriter(std::string state_dir) : state_dir_(std::move(state_dir)), thread_([this] { run(); }) {}

SnapshotWriter::~SnapshotWriter() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void SnapshotWriter::save(Snapshot snapshot, std::function<std::vector<std::byte>()> batch) {
  {
    const std::lock_guard lock(mutex_);
    const bool is_same_policy = !next_.empty() && next_.back().snapshot.files == snapshot.files;
    if (is_same_policy) next_.pop_back();
    next_.push_back(Order{std::move(snapshot), std::move(batch)});
    if (next_.size() > 2) next_.pop_front();
  }
  wake_.notify_one();
}

std::optional<Failure> SnapshotWriter::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void SnapshotWriter::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return ending_ || !next_.empty(); });
    if (next_.empty()) return;
    const Order order = std::move(next_.front());
    next_.pop_front();
    lock.unlock();
    Result<void> saved;
    try {
      saved = save_snapshot(state_dir_, order.snapshot, order.batch());
    } catch (const std::exception& error) {  // out of memory
      saved = tl::unexpected(Failure{"save", state_dir_, 0, error.what()});
    }
    lock.lock();
    failure_ = saved ? std::nullopt : std::optional(saved.error());
  }
}

}  // namespace drywall
