// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <tl/expected.hpp>

#include "policy/net.h"
#include "policy/rule_tag.h"

namespace drywall {

/// UTC.
using Timestamp = std::chrono::sys_time<std::chrono::microseconds>;

/// The headers of one IP packet, as far as the copied bytes reach.
struct PacketHeaders {
  Packet packet;
  std::uint32_t length = 0;                   // of the IP packet in bytes, from its header, not of the copy
  bool fragment = false;                      // not the first: no transport header; ports and type are 0
  std::optional<std::uint32_t> tcp_sequence;  // host byte order
  bool operator==(const PacketHeaders&) const = default;
};

enum class PacketError : std::uint8_t { truncated, not_ip, bad_length, too_many_headers };

/// Reads IPv4 or IPv6 (extension headers skipped, at most 16) and TCP, UDP, UDP-Lite, SCTP, ICMP or ICMPv6 headers.
///   bytes   from the first byte of the IP header; untrusted, may be cut anywhere
///   errors  truncated: too short for the addresses or, unless it is a later fragment, the ports or the ICMP type;
///           bad_length: an IPv4 length that contradicts itself; too_many_headers: more than 16 extension headers
///   source  RFC 791, RFC 8200; which extension headers are looked behind: net/ipv6/exthdrs_core.c
[[nodiscard]] tl::expected<PacketHeaders, PacketError> decode_packet(std::span<const std::byte> bytes);

/// What the kernel tells about one packet that met a log rule of ours.
struct LoggedPacket {
  Timestamp at;
  RuleTag tag;
  PacketHeaders headers;
  std::uint8_t hook = 0;            // enum nf_inet_hooks
  std::uint32_t in_interface = 0;   // index, 0 if none
  std::uint32_t out_interface = 0;  // index, 0 if none
  std::uint32_t mark = 0;
  std::optional<std::uint32_t> uid;       // of the sending socket, locally generated packets only
  std::optional<std::uint32_t> sequence;  // NFULA_SEQ: of the group, counts up by one for each message
  bool operator==(const LoggedPacket&) const = default;
};

enum class NflogError : std::uint8_t { truncated, not_nflog, foreign_tag, bad_packet };

/// Reads one nfnetlink_log message into the packet the kernel logged.
///   message      one netlink message, header included; untrusted, borrowed for the call
///   received_at  used if the kernel sent no timestamp of its own
///   errors       truncated, not_nflog (another message type), foreign_tag (not a rule of ours), bad_packet; never
///                throws, logs or allocates
///   source       linux/netfilter/nfnetlink_log.h (attributes in network byte order), docs/wire-formats.md
[[nodiscard]] tl::expected<LoggedPacket, NflogError> decode_nflog(std::span<const std::byte> message,
                                                                  Timestamp received_at);

/// Finds the messages missing between those that came, by NFULA_SEQ (32 bits, wraps).
class SequenceCounter {
 public:
  /// Messages lost just before this one. The first message ever says nothing, nor does a step back: the kernel counts
  /// from 0 again when the group is bound anew.
  std::uint32_t lost_before(std::uint32_t sequence);

 private:
  std::optional<std::uint32_t> last_;
};

}  // namespace drywall
