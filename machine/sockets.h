// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <tl/expected.hpp>
#include <vector>

#include "policy/net.h"
#include "policy/result.h"

namespace drywall {

/// As the kernel numbers them (include/net/tcp_states.h). UDP has two: established, which is connected to a remote
/// address, and closed, which takes what comes from anywhere.
enum class SocketState : std::uint8_t {
  established = 1,
  syn_sent,
  syn_received,
  fin_wait_1,
  fin_wait_2,
  time_wait,
  closed,
  close_wait,
  last_ack,
  listening,
  closing,
  new_syn_received,
};

/// A TCP or UDP socket of this network namespace.
struct Socket {
  Protocol protocol;
  SocketState state = SocketState::closed;
  Address local;   // the family's zero address: any. IPv4 also of an IPv6 socket that speaks it (::ffff:10.0.0.1)
  Address remote;  // the family's zero address: none
  std::uint16_t local_port = 0;
  std::uint16_t remote_port = 0;
  bool takes_v4 = false;        // an unconnected socket of `::` that takes IPv4 too
  std::uint32_t interface = 0;  // the index of the one that it is bound to; 0: none
  std::uint32_t uid = 0;        // of its owner
  std::uint32_t inode = 0;      // as in /proc/PID/fd; 0: no process holds it
  auto operator<=>(const Socket&) const = default;
};

enum class SocketError : std::uint8_t { truncated, not_a_socket, bad_address };

/// Reads one message about a socket.
///   message   one netlink message, header included; untrusted, borrowed for the call
///   protocol  what was asked for: the message does not tell
///   errors    truncated: lengths that do not add up; not_a_socket: another message type, or a state that is none;
///             bad_address: of another family than IP's
///   source    linux/inet_diag.h (addresses and ports in network byte order, all else in the host's)
[[nodiscard]] tl::expected<Socket, SocketError> decode_socket(std::span<const std::byte> message, Protocol protocol);

struct SocketLimits {
  std::size_t sockets = 1'000'000;
};

struct SocketDump {
  std::vector<Socket> sockets;
  bool is_whole = true;         // false: there were more than the limit
  std::size_t undecodable = 0;  // messages
};

/// All TCP and UDP sockets of both families, but those in time-wait: of them nothing will come any more.
///   errors  ENOENT: the kernel has no socket diagnosis
[[nodiscard]] Result<SocketDump> read_sockets(const SocketLimits& limits = {});

}  // namespace drywall
