// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "flow/flow_record.h"

namespace drywall {

/// Whose leg a record belongs to.
struct LegIdentity {
  EndpointId endpoint;
  Bucket bucket = Bucket::normal;
  Direction direction = Direction::ingress;
  bool operator==(const LegIdentity&) const = default;
};

[[nodiscard]] std::uint64_t content_hash(std::string_view text);
[[nodiscard]] std::uint64_t content_hash(const Trace& trace);
[[nodiscard]] std::uint64_t content_hash(const FlowPeer& peer);
[[nodiscard]] std::uint64_t content_hash(const LegIdentity& leg);

/// Keeps one copy of each value, so that equal values have equal addresses as long as somebody holds them.
template <class Value>
class Interner {
 public:
  [[nodiscard]] std::shared_ptr<const Value> intern(Value value) {
    const std::uint64_t hash = content_hash(value);
    const auto [first, last] = values_.equal_range(hash);
    for (auto at = first; at != last; ++at) {
      if (*at->second == value) return at->second;
    }
    return values_.emplace(hash, std::make_shared<const Value>(std::move(value)))->second;
  }

  /// Forgets what nobody else holds.
  void sweep() {
    std::erase_if(values_, [](const auto& entry) { return entry.second.use_count() == 1; });
  }

  [[nodiscard]] std::size_t size() const { return values_.size(); }

 private:
  std::unordered_multimap<std::uint64_t, std::shared_ptr<const Value>> values_;
};

/// What records are made of, each thing once, whatever the number of records and generations that name it.
struct Interners {
  Interner<Trace> traces;
  Interner<FlowPeer> peers;
  Interner<std::string> names;
  Interner<LegIdentity> legs;

  void sweep() {
    traces.sweep();
    peers.sweep();
    names.sweep();
    legs.sweep();
  }
};

}  // namespace drywall
