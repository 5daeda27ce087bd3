// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "policy/net.h"

// Packets as bytes. Checksums of TCP and UDP are left out: connection tracking is told not to look at them.

namespace drywall::test {

using Octets = std::vector<std::uint8_t>;

/// How a packet is put on the wire. Options are IPv4 options, or IPv6 hop-by-hop and destination options.
enum class Form : std::uint8_t { plain, options, fragments, reversed_fragments, options_and_fragments };

namespace tcp_flags {
inline constexpr std::uint8_t fin = 0x01, syn = 0x02, rst = 0x04, ack = 0x10;
}

struct Crafted {
  Packet packet;
  Form form = Form::plain;
  std::uint8_t flags = tcp_flags::syn;  // of TCP
  std::optional<Packet> quoted =
      std::nullopt;      // in an ICMP error: what it is about; nothing: a packet that nobody sent
  bool answers = false;  // it is SCTP's INIT ACK and not an INIT
  bool operator==(const Crafted&) const = default;
};

/// ICMP messages that hold the packet that they are about.
[[nodiscard]] bool is_icmp_error(const Packet& packet);
/// Behind the IP header; at least 32 bytes.
[[nodiscard]] Octets transport(const Crafted& crafted);
/// One IP packet, or the fragments of one in the order in which they are sent. Fragments of different packets are told
/// apart by `identification`.
[[nodiscard]] std::vector<Octets> ip_packets(const Crafted& crafted, std::uint16_t identification);
/// Another one each time. Never 0: that the kernel replaces, in each fragment by another.
[[nodiscard]] std::uint16_t next_identification();

}  // namespace drywall::test
