// SPDX-License-Identifier: GPL-2.0-or-later
#include "flow/connection_memory.h"

#include <algorithm>
#include <utility>

namespace drywall {

bool ConnectionMemory::is_new(std::uint64_t fingerprint) {
  const std::uint64_t number = fingerprint == 0 ? 1 : fingerprint;
  if (current_.contains(number)) return false;
  const bool known = previous_.contains(number);
  if (current_.size() >= limit_) turn();
  current_.insert(number);
  return !known;
}

void ConnectionMemory::turn() {
  std::swap(current_, previous_);
  current_.clear();
}

bool ConnectionMemory::Set::contains(std::uint64_t number) const {
  if (slots_.empty()) return false;
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = number & mask; slots_[at] != 0; at = (at + 1) & mask) {
    if (slots_[at] == number) return true;
  }
  return false;
}

void ConnectionMemory::Set::insert(std::uint64_t number) {
  if (slots_.size() < (size_ + 1) * 2) {
    std::vector<std::uint64_t> old = std::exchange(slots_, {});
    slots_.resize(std::max<std::size_t>(1024, old.size() * 2));
    size_ = 0;
    for (const std::uint64_t kept : old) {
      if (kept != 0) insert(kept);
    }
  }
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = number & mask;
  while (slots_[at] != 0) at = (at + 1) & mask;
  slots_[at] = number;
  ++size_;
}

void ConnectionMemory::Set::clear() {
  std::ranges::fill(slots_, 0);
  size_ = 0;
}

}  // namespace drywall
