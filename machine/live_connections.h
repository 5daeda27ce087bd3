// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "machine/conntrack.h"
#include "machine/listeners.h"
#include "machine/sockets.h"
#include "policy/result.h"

namespace drywall {

/// Until the kernel forgets a connection of which no packet comes, in seconds.
struct ConntrackTimeouts {
  std::uint32_t tcp_established = 432'000;  // the kernel's own defaults
  std::uint32_t udp = 30;
};

/// The connections of this host's own sockets, each as the kernel would track it had it seen its beginning: begun by
/// the other end if somebody here listens for it, or if its port here is a known one and the other's is not. What goes
/// over the loopback interface is left out, as are TCP connections that are still being made: their next packets tell.
///   first_ephemeral  the lowest port that the kernel gives to who asks for none
[[nodiscard]] std::vector<ConntrackEntry> live_connections(std::span<const Socket> sockets, const Listeners& listeners,
                                                           const ConntrackTimeouts& timeouts,
                                                           std::uint16_t first_ephemeral);

/// What became of live connections that were to be tracked.
struct Entered {
  std::size_t fresh = 0;    // that the kernel did not know
  std::size_t refused = 0;  // by the kernel: its table is full, say
  int error = 0;            // the errno of the last refusal
  bool is_whole = true;     // false: there were more sockets than are read
  bool operator==(const Entered&) const = default;
};

/// Makes the kernel know all live connections of this host's own sockets, of which packets may never have been tracked.
/// Bounded: at most 262,144 sockets are read, which takes less than a second and a half.
[[nodiscard]] Result<Entered> enter_live_connections();

}  // namespace drywall
