// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "machine/conntrack.h"
#include "machine/sockets.h"
#include "policy/net.h"

namespace drywall {

/// Where this host waits for others: listening TCP sockets and unconnected UDP sockets.
class Listeners {
 public:
  ///   own              the host's addresses: a socket of any address waits at these only
  ///   first_ephemeral  the lowest port that the kernel gives to who asks for none (net.ipv4.ip_local_port_range)
  Listeners(std::span<const Socket> sockets, std::vector<Address> own, std::uint16_t first_ephemeral = 32768);

  /// True if a connection between these two was begun by the other end. TCP: somebody listens there. UDP, where a
  /// server may begin too (from port 123 to 123, say): the more so if its port is a known one and the other's is not.
  [[nodiscard]] bool awaited(Protocol protocol, const Address& local, std::uint16_t local_port,
                             std::uint16_t remote_port) const;

 private:
  using Port = std::pair<Protocol, std::uint16_t>;
  std::set<Port> anywhere_v4_;
  std::set<Port> anywhere_v6_;
  std::set<std::pair<Address, Port>> at_;
  std::set<Address> own_;
  std::uint16_t first_ephemeral_;
};

/// How it is known who began a connection.
enum class DirectionSource : std::uint8_t {
  seen,      // the kernel saw its first packet, or there is nothing that contradicts it
  inferred,  // the kernel took the connection up in its midst, with a packet of the answering side
};

struct DirectedEntry {
  ConntrackEntry entry;
  DirectionSource direction = DirectionSource::seen;
  bool operator==(const DirectedEntry&) const = default;
};

/// The entry with the one who began the connection as its original source: an entry whose originator is a port of this
/// host that awaits connections is turned round, counts and all.
[[nodiscard]] DirectedEntry true_direction(const ConntrackEntry& entry, const Listeners& listeners);

}  // namespace drywall
