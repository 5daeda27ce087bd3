// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/differential/test_network.h"

#include <algorithm>

namespace drywall::test {
namespace {

Address address(const char* text) {
  return parse_address(text).value();
}

Link link(const char* name, std::initializer_list<const char*> addresses, const char* bridge = "") {
  Link made{name, {}, bridge};
  for (const char* text : addresses) made.addresses.push_back(parse_prefix(text).value());
  return made;
}

Route route(const char* to, const char* link, const char* gateway = nullptr) {
  return {parse_prefix(to).value(), link, gateway == nullptr ? std::nullopt : parse_address(gateway)};
}

bool contains(const Prefix& prefix, const Address& address) {
  return prefix.base.family == address.family && masked({address, prefix.length}) == masked(prefix);
}

}  // namespace

/// Two uplinks that host endpoints govern, a third that only a wildcard would, three workloads, of which the last often
/// has no endpoint, and two more behind a bridge.
const std::vector<Link>& links() {
  static const std::vector<Link> all{link("eth0", {"203.0.113.1/24", "fd99::1/64"}),
                                     link("eth1", {"192.0.2.1/24", "fd98::1/64"}),
                                     link("wg0", {"172.16.0.1/24", "fd97::1/64"}),
                                     link("cali1", {}),
                                     link("cali2", {}),
                                     link("cali3", {}),
                                     link("br0", {"10.20.0.1/24", "fd20::1/64"}),
                                     link("vnet5", {}, "br0"),
                                     link("vnet6", {}, "br0")};
  return all;
}

const std::vector<Route>& routes() {
  static const std::vector<Route> all{
      route("0.0.0.0/0", "eth0", "203.0.113.2"),
      route("::/0", "eth0", "fd99::2"),
      route("10.9.0.0/16", "eth1", "192.0.2.2"),
      route("fd01::/64", "eth1", "fd98::2"),
      route("10.8.0.0/16", "wg0", "172.16.0.2"),
      route("fd03::/64", "wg0", "fd97::2"),
      route("10.0.0.1/32", "cali1"),
      route("fd00::1/128", "cali1"),
      route("10.0.0.2/32", "cali2"),
      route("fd00::2/128", "cali2"),
      route("10.0.0.3/32", "cali3"),
      route("fd00::3/128", "cali3"),
      route("10.20.0.0/24", "br0"),
      route("fd20::/64", "br0"),
  };
  return all;
}

/// To a workload, to the host itself, to another host, and back out of where it came in.
const std::vector<Translation>& translations() {
  using enum Origin;
  static const std::vector<Translation> all{
      {outside, protocol::tcp, address("203.0.113.1"), 8080, address("10.0.0.1"), 80},
      {outside, protocol::tcp, address("fd99::1"), 8080, address("fd00::1"), 80},
      {outside, protocol::udp, address("203.0.113.1"), 53, address("10.9.0.1"), 1000},
      {outside, protocol::udp, address("fd99::1"), 53, address("fd01::80"), 1000},
      {outside, protocol::tcp, address("198.51.100.99"), 80, address("203.0.113.1"), 443},
      {outside, protocol::tcp, address("2001:db8::99"), 80, address("fd99::1"), 443},
      {outside, protocol::udp, address("198.51.100.99"), 53, address("198.51.100.7"), 9},
      {host, protocol::tcp, address("198.51.100.99"), 80, address("10.9.0.1"), 8080},
      {host, protocol::tcp, address("2001:db8::99"), 80, address("fd01::80"), 8080},
      {host, protocol::udp, address("198.51.100.99"), 53, address("198.51.100.7"), 1000},
      {host, protocol::udp, address("2001:db8::99"), 53, address("2001:db8::7"), 1000},
      {host, protocol::tcp, address("198.51.100.99"), 443, address("10.0.0.1"), 80},
      {host, protocol::tcp, address("198.51.100.99"), 8080, address("203.0.113.1"), 80},
  };
  return all;
}

Host policed_host() {
  Host host;
  host.node = "here";
  host.failsafe_inbound = default_failsafe_inbound();
  host.failsafe_outbound = default_failsafe_outbound();
  for (const Link& link : links()) {
    Interface interface { link.name, {}, link.bridge };
    for (const Prefix& own : link.addresses) interface.addresses.push_back(own.base);
    host.interfaces.push_back(std::move(interface));
  }
  return host;
}

bool is_for_host(const Address& address) {
  return is_group(address) || link_to(address) == "lo";
}

bool is_group(const Address& address) {
  if (address.family == Family::v6) return address.high >> 56U == 0xff;
  return address.low >> 28U == 0xe || address.low == 0xffffffff;
}

std::string interface_of(const std::string& link) {
  const auto found = std::ranges::find(links(), link, &Link::name);
  return found == links().end() || found->bridge.empty() ? link : found->bridge;
}

std::string link_to(const Address& address) {
  for (const Link& link : links()) {
    for (const Prefix& own : link.addresses) {
      if (own.base == address) return "lo";
    }
  }
  const Route* best = nullptr;
  for (const Route& route : routes()) {
    if (contains(route.to, address) && (best == nullptr || route.to.length > best->to.length)) best = &route;
  }
  return best->link;
}

std::optional<Packet> translated(const Packet& packet, Origin origin) {
  const auto found = std::ranges::find_if(translations(), [&](const Translation& rule) {
    return rule.origin == origin && rule.protocol == packet.protocol && rule.address == packet.destination &&
           rule.port == packet.destination_port;
  });
  if (found == translations().end()) return std::nullopt;
  Packet changed = packet;
  changed.destination = found->to;
  changed.destination_port = found->to_port;
  return changed;
}

}  // namespace drywall::test
