// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace drywall {

/// A well mixed hash of some words. The seed keeps senders of packets from choosing keys that collide.
template <std::size_t Count>
[[nodiscard]] inline std::uint64_t hash_words(const std::array<std::uint64_t, Count>& words, std::uint64_t seed) {
  constexpr std::uint64_t multiplier = 0x9e37'79b9'7f4a'7c15;
  std::uint64_t hash = seed;
  for (const std::uint64_t word : words) {
    const auto product = static_cast<unsigned __int128>(hash ^ word ^ multiplier) * (multiplier ^ seed);
    hash =
        static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U) ^ (word << 32U | word >> 32U);
  }
  hash ^= hash >> 29U;
  hash *= 0xbf58'476d'1ce4'e5b9;
  return hash ^ hash >> 32U;
}

/// A hash table whose keys are words, which knows in what order they came, so that the oldest can be dropped. Entries
/// keep their slot as long as they live. Memory grows with the number of entries and is reused, never given back.
template <std::size_t Words, class Value>
class AgedTable {
 public:
  using Key = std::array<std::uint64_t, Words>;
  using Slot = std::uint32_t;
  static constexpr Slot none = ~Slot{0};

  explicit AgedTable(std::uint64_t seed) : seed_(seed), heads_(64, none) {}

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t slots() const { return used_; }  // those ever in use: every slot is below
  [[nodiscard]] Slot oldest() const { return oldest_; }
  [[nodiscard]] Slot newer(Slot slot) const { return entry(slot).newer; }
  [[nodiscard]] bool is_live(Slot slot) const { return entry(slot).live; }
  [[nodiscard]] const Key& key(Slot slot) const { return entry(slot).key; }
  [[nodiscard]] Value& value(Slot slot) { return entry(slot).value; }
  [[nodiscard]] const Value& value(Slot slot) const { return entry(slot).value; }

  [[nodiscard]] Slot find(const Key& key) const {
    Slot slot = heads_[bucket_of(key)];
    while (slot != none && entry(slot).key != key) slot = entry(slot).next;
    return slot;
  }

  /// The key must not be there yet.
  Slot insert(const Key& key, Value value) {
    if (size_ == heads_.size()) grow();
    const Slot slot = take_slot();
    Entry& made = entry(slot);
    made.key = key;
    made.value = std::move(value);
    made.live = true;
    link(slot);
    made.older = newest_;
    made.newer = none;
    (newest_ == none ? oldest_ : entry(newest_).newer) = slot;
    newest_ = slot;
    ++size_;
    return slot;
  }

  void erase(Slot slot) {
    Entry& gone = entry(slot);
    Slot* link = &heads_[bucket_of(gone.key)];
    while (*link != slot) link = &entry(*link).next;
    *link = gone.next;
    (gone.older == none ? oldest_ : entry(gone.older).newer) = gone.newer;
    (gone.newer == none ? newest_ : entry(gone.newer).older) = gone.older;
    gone.value = Value{};
    gone.live = false;
    gone.next = free_;
    free_ = slot;
    --size_;
  }

 private:
  struct Entry {
    Key key{};
    Value value{};
    Slot next = none;   // in the same bucket, or free
    Slot older = none;  // by time of insertion
    Slot newer = none;
    bool live = false;
  };
  static constexpr std::size_t chunk_size = 64;

  [[nodiscard]] Entry& entry(Slot slot) { return chunks_[slot / chunk_size][slot % chunk_size]; }
  [[nodiscard]] const Entry& entry(Slot slot) const { return chunks_[slot / chunk_size][slot % chunk_size]; }
  [[nodiscard]] std::size_t bucket_of(const Key& key) const { return hash_words(key, seed_) & (heads_.size() - 1); }

  Slot take_slot() {
    if (free_ != none) return std::exchange(free_, entry(free_).next);
    if (used_ == chunks_.size() * chunk_size) chunks_.push_back(std::make_unique<Entry[]>(chunk_size));
    return used_++;
  }

  void link(Slot slot) {
    Slot& head = heads_[bucket_of(entry(slot).key)];
    entry(slot).next = head;
    head = slot;
  }

  void grow() {
    heads_.assign(heads_.size() * 2, none);
    for (Slot slot = oldest_; slot != none; slot = entry(slot).newer) link(slot);
  }

  std::uint64_t seed_;
  std::vector<Slot> heads_;  // a power of two
  std::vector<std::unique_ptr<Entry[]>> chunks_;
  Slot used_ = 0;
  Slot free_ = none;
  Slot oldest_ = none;
  Slot newest_ = none;
  std::size_t size_ = 0;
};

}  // namespace drywall
