// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/host.h"
#include "flow/preview.h"
#include "policy/result.h"

namespace drywall {

/// The two ends of a connection, whichever began it.
struct Ends {
  Protocol protocol;
  Address here;
  std::uint16_t port_here = 0;
  Address there;
  std::uint16_t port_there = 0;
  bool operator==(const Ends&) const = default;
};

/// Of what a caller says: protocol, here, port_here, there, port_there; untrusted. Nothing at all: it has no
/// connection.
///   errors  which of them is missing or is not what it should be
[[nodiscard]] tl::expected<std::optional<Ends>, std::string> parse_ends(
    const std::vector<std::pair<std::string, std::string>>& fields);

/// What lives on this host now and could be judged otherwise.
struct LiveTraffic {
  std::vector<LiveConnection> connections;  // but those of the host with itself
  std::vector<Listener> listeners;          // sorted
  bool is_whole = true;                     // false: there were more connections than are looked at
};

/// Asks the kernel: connection tracking for the connections, with those it met under way in their true direction;
/// sockets for who listens; routes for the interfaces that each connection uses.
///   yours  of the caller, if it has one
[[nodiscard]] Result<LiveTraffic> read_live_traffic(const Machine& machine, const std::optional<Ends>& yours);

}  // namespace drywall
