// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <tl/expected.hpp>
#include <vector>

#include "machine/netlink_socket.h"
#include "policy/net.h"
#include "policy/result.h"

namespace drywall {

/// One direction of a connection. Host byte order; what a protocol does not have is 0.
struct ConntrackTuple {
  Address source;
  Address destination;
  Protocol protocol;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint8_t icmp_type = 0;  // of ICMP and ICMPv6
  std::uint8_t icmp_code = 0;
  std::uint16_t icmp_id = 0;
  auto operator<=>(const ConntrackTuple&) const = default;
};

/// In the order of enum tcp_conntrack (linux/netfilter/nf_conntrack_tcp.h).
enum class TcpState : std::uint8_t {
  none,
  syn_sent,
  syn_received,
  established,
  fin_wait,
  close_wait,
  last_ack,
  time_wait,
  closed,
  syn_sent_by_both,
};

struct ConntrackCount {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  bool operator==(const ConntrackCount&) const = default;
};

/// A connection that the kernel tracks in this network namespace.
struct ConntrackEntry {
  ConntrackTuple original;   // as the first packet that the kernel saw, before any NAT
  ConntrackTuple reply;      // as its answer comes in: not simply the reverse if there is NAT
  std::uint32_t status = 0;  // IPS_* (linux/netfilter/nf_conntrack_common.h)
  std::optional<TcpState> tcp_state;
  std::uint32_t id = 0;  // of this entry, not of a later one with the same tuples; 0 if not known
  std::uint32_t mark = 0;
  std::uint32_t timeout = 0;                     // seconds until the kernel forgets it if no packet comes
  std::uint16_t zone = 0;                        // of both directions
  std::optional<ConntrackCount> original_count;  // nothing unless nf_conntrack_acct is on
  std::optional<ConntrackCount> reply_count;
  bool operator==(const ConntrackEntry&) const = default;
};

enum class ConntrackError : std::uint8_t { truncated, not_conntrack, bad_tuple };

/// Reads one message about an entry.
///   message  one netlink message, header included; untrusted, borrowed for the call
///   errors   truncated: lengths that do not add up; not_conntrack: another message type; bad_tuple: one of the two
///            is missing, lacks an address or its protocol, or they are of two families or protocols
///   source   linux/netfilter/nfnetlink_conntrack.h (attributes in network byte order)
[[nodiscard]] tl::expected<ConntrackEntry, ConntrackError> decode_conntrack(std::span<const std::byte> message);

struct ConntrackLimits {
  std::size_t entries = 1'000'000;  // about 200 bytes each
};

/// What the kernel's table held; entries that came or went meanwhile may be in it or not, and one may be in it twice.
struct ConntrackDump {
  std::vector<ConntrackEntry> entries;
  bool is_whole = true;         // false: there were more than the limit
  std::size_t undecodable = 0;  // messages
};

/// All entries, of both families and all zones. Takes about 1.5 us an entry.
///   errors  EPERM: CAP_NET_ADMIN is missing; EPROTONOSUPPORT, EINVAL: the kernel has no conntrack netlink
[[nodiscard]] Result<ConntrackDump> dump_conntrack(const ConntrackLimits& limits = {});

/// Changes the kernel's table of connections.
class ConntrackSocket {
 public:
  [[nodiscard]] static Result<ConntrackSocket> open();

  /// Enters connections: tuples, status (SEEN_REPLY and ASSURED; CONFIRMED comes by itself), TCP state, mark, timeout
  /// and zone. A TCP connection's windows are taken from its next packets, and not checked.
  ///   returns  an errno for each in its order: 0, or EEXIST: the kernel has an entry with one of the two tuples
  [[nodiscard]] Result<std::vector<int>> create(std::span<const ConntrackEntry> entries);
  /// Forgets connections: the next packet of each is a new connection's. With its id only that very entry.
  ///   returns  an errno for each in its order: 0, or ENOENT: it is gone already
  [[nodiscard]] Result<std::vector<int>> remove(std::span<const ConntrackEntry> entries);

 private:
  explicit ConntrackSocket(NetlinkSocket socket) : socket_(std::move(socket)) {}
  NetlinkSocket socket_;
};

}  // namespace drywall
