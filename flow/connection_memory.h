// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace drywall {

/// Remembers which connections were seen lately, by fingerprint, in two generations: what was not seen for one whole
/// generation is forgotten. Bounded: a full generation ends early.
class ConnectionMemory {
 public:
  explicit ConnectionMemory(std::size_t limit) : limit_(limit / 2 == 0 ? 1 : limit / 2) {}

  /// True if nobody asked for this fingerprint in this generation or the last one.
  bool is_new(std::uint64_t fingerprint);
  /// Begins a new generation.
  void turn();

 private:
  /// A set of numbers other than 0, open addressing, at most half full.
  class Set {
   public:
    [[nodiscard]] bool contains(std::uint64_t number) const;
    void insert(std::uint64_t number);  // not yet there
    [[nodiscard]] std::size_t size() const { return size_; }
    void clear();

   private:
    std::vector<std::uint64_t> slots_;
    std::size_t size_ = 0;
  };

  std::size_t limit_;  // of one generation
  Set current_;
  Set previous_;
};

}  // namespace drywall
