// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "policy/net.h"

namespace drywall::test {

using Octets = std::vector<std::uint8_t>;

inline void put16(Octets& out, unsigned value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8U));
  out.push_back(static_cast<std::uint8_t>(value));
}
inline void put(Octets& out, const Address& address) {
  for (const std::byte byte : to_bytes(address)) out.push_back(static_cast<std::uint8_t>(byte));
}

/// A first packet of its protocol, as connection tracking takes it for new: TCP SYN, SCTP INIT, an ICMP message, a UDP
/// datagram. Checksums of the transport are left out.
inline Octets transport(const Packet& packet) {
  Octets out;
  if (has_ports(packet.protocol)) {
    put16(out, packet.source_port);
    put16(out, packet.destination_port);
  }
  if (packet.protocol == protocol::tcp) {
    out.insert(out.end(), {0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0x20, 0, 0, 0, 0, 0});
  } else if (packet.protocol == protocol::udplite) {
    out.insert(out.end(), {0, 12, 1, 1, 'x', 'x', 'x', 'x'});  // it must have a checksum
  } else if (packet.protocol == protocol::udp) {
    out.insert(out.end(), {0, 12, 0, 0, 'x', 'x', 'x', 'x'});
  } else if (packet.protocol == protocol::sctp) {
    out.insert(out.end(), {0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0x10, 0, 0, 1, 0, 1, 0, 0, 0, 1});
  } else if (packet.protocol == protocol::icmp || packet.protocol == protocol::icmpv6) {
    out.insert(out.end(),
               {packet.icmp_type, packet.icmp_code, 0, 0, 0x12, 0x34, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  } else {
    out.insert(out.end(), 16, 0);
  }
  return out;
}

inline unsigned internet_checksum(const Octets& bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += static_cast<unsigned>(bytes[i]) << 8U | bytes[i + 1];
  while (sum >> 16U != 0) sum = (sum & 0xffffU) + (sum >> 16U);
  return ~sum & 0xffffU;
}

inline Octets internet_header(const Packet& packet, std::size_t payload) {
  Octets out;
  if (packet.source.family == Family::v6) {
    out = {0x60, 0, 0, 0};
    put16(out, static_cast<unsigned>(payload));
    out.insert(out.end(), {packet.protocol.number, 64});
    put(out, packet.source);
    put(out, packet.destination);
    return out;
  }
  out = {0x45, 0};
  put16(out, static_cast<unsigned>(payload + 20));
  out.insert(out.end(), {0, 1, 0, 0, 64, packet.protocol.number, 0, 0});
  put(out, packet.source);
  put(out, packet.destination);
  const unsigned sum = internet_checksum(out);
  out[10] = static_cast<std::uint8_t>(sum >> 8U);
  out[11] = static_cast<std::uint8_t>(sum);
  return out;
}

/// An Ethernet frame to `destination`.
inline Octets frame(const Packet& packet, const std::array<std::uint8_t, 6>& destination) {
  Octets out(destination.begin(), destination.end());
  out.insert(out.end(), {2, 0, 0, 0, 0, 9});
  put16(out, packet.source.family == Family::v4 ? 0x0800 : 0x86dd);
  const Octets payload = transport(packet);
  const Octets header = internet_header(packet, payload.size());
  out.insert(out.end(), header.begin(), header.end());
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

}  // namespace drywall::test
