// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policy/compile.h"
#include "policy/net.h"

// The network that the policed host of these tests stands in. The kernel is set up from it, the expected way of a
// packet is read from it, and random documents and packets are made of its addresses.

namespace drywall::test {

struct Link {
  std::string name;
  std::vector<Prefix> addresses;  // of the host itself, with the length of the net; workloads' links have none
  std::string bridge = {};        // that the link is a port of
};

/// Where packets go that are not for the host itself; the longest prefix wins.
struct Route {
  Prefix to;
  std::string link;
  std::optional<Address> gateway;
};

/// Where a packet comes from when a translation looks at it.
enum class Origin { outside, host };

/// A DNAT rule of the host's own, not Drywall's.
struct Translation {
  Origin origin;
  Protocol protocol;
  Address address;
  std::uint16_t port;
  Address to;
  std::uint16_t to_port;
};

[[nodiscard]] const std::vector<Link>& links();
[[nodiscard]] const std::vector<Route>& routes();
[[nodiscard]] const std::vector<Translation>& translations();

/// The host as policy is compiled for it.
[[nodiscard]] Host policed_host();

/// Also groups that it belongs to, and broadcast.
[[nodiscard]] bool is_for_host(const Address& address);
[[nodiscard]] bool is_group(const Address& address);
/// The interface by which the host gets what comes in by a link: the bridge, if it is a port of one.
[[nodiscard]] std::string interface_of(const std::string& link);
/// The link by which a packet to this address leaves the host; `lo` if it is the host's own.
[[nodiscard]] std::string link_to(const Address& address);
/// The packet as a translation changes it, if one does.
[[nodiscard]] std::optional<Packet> translated(const Packet& packet, Origin origin);

}  // namespace drywall::test
