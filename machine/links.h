// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "policy/compile.h"
#include "policy/result.h"

namespace drywall {

/// One network interface of this network namespace.
struct Link {
  std::uint32_t index = 0;
  Interface interface;  // addresses sorted
  std::string kind;     // "bridge", "veth", "vrf", ...; empty: a device, or the loopback
  std::string master;   // the bridge, bond or VRF that it belongs to; empty: none
};

/// All interfaces, sorted by name, with their addresses and the bridge that each is a port of (rtnetlink(7)).
///   errors  the system call's
[[nodiscard]] Result<std::vector<Link>> read_links();

/// The networks that the host has an address of its own in, and by which interface.
struct ConnectedNetwork {
  std::string interface;
  Prefix network;
  bool operator==(const ConnectedNetwork&) const = default;
};
///   errors  the system call's
[[nodiscard]] Result<std::vector<ConnectedNetwork>> read_connected_networks();

}  // namespace drywall
