// SPDX-License-Identifier: GPL-2.0-or-later
#include "flow/interner.h"

namespace drywall {
namespace {

std::uint64_t joined(std::uint64_t hash, std::uint64_t other) {
  return (hash ^ other) * 0x9e37'79b9'7f4a'7c15 + (hash >> 31U);
}

}  // namespace

std::uint64_t content_hash(std::string_view text) {
  return std::hash<std::string_view>{}(text);
}

std::uint64_t content_hash(const Trace& trace) {
  std::uint64_t hash = trace.size();
  for (const TraceEntry& entry : trace) {
    hash = joined(hash, content_hash(entry.tier));
    hash = joined(hash, content_hash(entry.ns));
    hash = joined(hash, content_hash(entry.name));
    hash = joined(hash, content_hash(entry.at.file));
    hash = joined(hash, static_cast<std::uint64_t>(entry.at.line) << 32U | static_cast<std::uint32_t>(entry.rule));
    hash = joined(hash, static_cast<std::uint64_t>(entry.kind) << 8U | static_cast<std::uint64_t>(entry.action));
  }
  return hash;
}

std::uint64_t content_hash(const FlowPeer& peer) {
  std::uint64_t hash = static_cast<std::uint64_t>(peer.type);
  hash = joined(hash, content_hash(peer.ns));
  hash = joined(hash, content_hash(peer.name));
  for (const auto& [key, value] : peer.labels) {
    hash = joined(hash, content_hash(key));
    hash = joined(hash, content_hash(value));
  }
  return hash;
}

std::uint64_t content_hash(const LegIdentity& leg) {
  std::uint64_t hash = static_cast<std::uint64_t>(leg.endpoint.kind) << 16U |
                       static_cast<std::uint64_t>(leg.bucket) << 8U | static_cast<std::uint64_t>(leg.direction);
  hash = joined(hash, content_hash(leg.endpoint.ns));
  return joined(hash, content_hash(leg.endpoint.name));
}

}  // namespace drywall
