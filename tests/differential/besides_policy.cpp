// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/differential/besides_policy.h"

#include <algorithm>
#include <array>

#include "tests/differential/test_network.h"

namespace drywall::test {
namespace {

template <std::size_t N>
bool is_icmp(const Packet& packet, Family family, const std::array<std::uint8_t, N>& types) {
  return packet.source.family == family &&
         packet.protocol == (family == Family::v4 ? protocol::icmp : protocol::icmpv6) &&
         std::ranges::find(types, packet.icmp_type) != types.end();
}

bool contains(const Prefix& prefix, const Address& address) {
  return prefix.base.family == address.family && masked({address, prefix.length}) == masked(prefix);
}

/// What a machine sends that has no address yet.
bool is_beginner(const Packet& packet) {
  const Address& source = packet.source;
  if (source.family == Family::v4) {
    return source.low == 0 && packet.protocol == protocol::udp && packet.source_port == 68 &&
           packet.destination_port == 67;
  }
  if (source.high >> 54U == 0xfe80U >> 6U) return true;
  return source.high == 0 && source.low == 0 && is_icmp(packet, Family::v6, std::array<std::uint8_t, 2>{135, 143});
}

bool may_use_source(const PlannedEndpoint& workload, const Address& source) {
  const auto holds = [&](const Prefix& allowed) { return contains(allowed, source); };
  return std::ranges::any_of(workload.allowed_spoofed_sources, holds) ||
         std::ranges::find(workload.addresses, source) != workload.addresses.end();
}

}  // namespace

bool is_workload_discovery(const Packet& packet) {
  return is_icmp(packet, Family::v6, std::array<std::uint8_t, 6>{130, 131, 132, 133, 135, 136});
}

bool may_be_about_untracked_flow(const PlannedEndpoint& endpoint, const Packet& packet) {
  const bool untracks = std::ranges::any_of(endpoint.legs, [](auto& leg) { return leg.bucket == Bucket::untracked; });
  return untracks && (is_icmp(packet, Family::v4, std::array<std::uint8_t, 3>{3, 11, 12}) ||
                      is_icmp(packet, Family::v6, std::array<std::uint8_t, 4>{1, 2, 3, 4}));
}

bool is_spoofed(const Plan& plan, const Passage& passage) {
  if (is_beginner(passage.packet)) return false;
  const Address& source = passage.packet.source;
  return std::ranges::any_of(plan.endpoints, [&](const PlannedEndpoint& endpoint) {
    if (!endpoint.local || endpoint.id.kind != EndpointKind::workload || endpoint.addresses.empty()) return false;
    // Which port of a bridge a packet came from is not seen.
    if (!endpoint.bridge.empty() && endpoint.bridge == passage.in_interface) return link_to(source) != endpoint.bridge;
    const bool own = std::ranges::find(endpoint.interfaces, passage.in_interface) != endpoint.interfaces.end();
    return own && !may_use_source(endpoint, source);
  });
}

}  // namespace drywall::test
