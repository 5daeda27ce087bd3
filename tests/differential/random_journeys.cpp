// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/differential/random_journeys.h"

#include <algorithm>
#include <map>

#include "tests/differential/test_network.h"

namespace drywall::test {
namespace {

using Texts = std::vector<const char*>;

Address address(const char* text) {
  return parse_address(text).value();
}

/// Who sends by a link, other than workloads: inside and outside of the blocks that rules name.
const std::map<std::string, Texts>& senders(Family family) {
  static const std::map<std::string, Texts> v4{{"eth0", {"10.0.0.77", "10.1.2.3", "10.2.0.9", "198.51.100.7"}},
                                               {"eth1", {"10.9.0.1", "10.9.1.1"}},
                                               {"wg0", {"10.8.0.2", "10.8.0.9"}}};
  static const std::map<std::string, Texts> v6{
      {"eth0", {"2001:db8::7", "fd02::1", "fd05::1"}}, {"eth1", {"fd01::80", "fd01::9"}}, {"wg0", {"fd03::5"}}};
  return family == Family::v4 ? v4 : v6;
}

bool is_workload(const std::string& link) {
  return link.starts_with("cali") || link.starts_with("vnet");
}

Address workload(const std::string& link, Family family) {
  const bool v4 = family == Family::v4;
  const char* net = link.starts_with("cali") ? (v4 ? "10.0.0." : "fd00::") : (v4 ? "10.20.0." : "fd20::");
  return address((net + link.substr(4)).c_str());
}

}  // namespace

Journey RandomJourneys::next() {
  Journey journey = random_.chance(8) ? essential() : random_.chance(6) ? translated() : ordinary();
  const bool copied = journey.in.empty() && is_group(journey.crafted.packet.destination);  // fragment by fragment
  if (!copied && random_.chance(4)) {
    journey.crafted.form =
        random_.pick({Form::options, Form::fragments, Form::reversed_fragments, Form::options_and_fragments});
  }
  add_sequels(journey);
  return journey;
}

std::string RandomJourneys::link() {
  return random_.pick({"eth0", "eth0", "eth0", "eth1", "eth1", "wg0", "cali1", "cali1", "cali2", "cali2", "cali3",
                       "vnet5", "vnet6", "", "", ""});
}

Address RandomJourneys::own(Family family) {
  return address(family == Family::v4 ? random_.pick({"203.0.113.1", "203.0.113.1", "192.0.2.1", "172.16.0.1"})
                                      : random_.pick({"fd99::1", "fd99::1", "fd98::1", "fd97::1"}));
}

Address RandomJourneys::source(const std::string& link, Family family) {
  if (link.empty()) return own(family);
  if (is_workload(link) && random_.chance(10)) return spoofed(family);
  if (is_workload(link)) return workload(link, family);
  return address(random_.pick(senders(family).at(link)));
}

/// Not the workload's own: allowed to some, another's, or one that no route leads back to.
Address RandomJourneys::spoofed(Family family) {
  return address(family == Family::v4 ? random_.pick({"10.5.0.9", "10.0.0.2", "10.20.0.99", "10.9.0.1", "10.1.2.3"})
                                      : random_.pick({"fd05::9", "fd00::2", "fd20::99", "fd01::80", "fd02::1"}));
}

Address RandomJourneys::destination(const std::string& in, Family family) {
  // The host speaks to itself seldom: nothing of that is judged.
  if (random_.chance(in.empty() ? 12 : 3)) return own(family);
  if (random_.chance(3)) return workload(random_.pick({"cali1", "cali1", "cali2", "cali3", "vnet5", "vnet6"}), family);
  return address(random_.pick(senders(family).at(random_.pick({"eth0", "eth0", "eth1", "wg0"}))));
}

Journey RandomJourneys::from(const std::string& link, Family family) {
  Journey journey;
  journey.in = link;
  journey.crafted.packet.source = source(link, family);
  return journey;
}

Journey RandomJourneys::ordinary() {
  const Family family = random_.pick({Family::v4, Family::v6});
  Journey journey = from(link(), family);
  Packet& packet = journey.crafted.packet;
  do {
    packet.destination = destination(journey.in, family);
  } while (packet.destination == packet.source);
  add_transport(journey.crafted);
  return journey;
}

Journey RandomJourneys::translated() {
  for (;;) {
    const Translation& rule = random_.pick(translations());
    const std::string in =
        rule.origin == Origin::host ? "" : random_.pick({"eth0", "eth0", "eth1", "cali1", "cali2", "vnet5"});
    Journey journey = from(in, rule.address.family);
    Packet& packet = journey.crafted.packet;
    if (packet.source == rule.to) continue;
    packet.destination = rule.address;
    packet.protocol = rule.protocol;
    packet.source_port = random_.pick<std::uint16_t>({9, 1000, 40000});
    packet.destination_port = rule.port;
    return journey;
  }
}

void RandomJourneys::add_icmp(Packet& packet) {
  const bool v4 = packet.protocol == protocol::icmp;
  packet.icmp_type = v4 ? 8 : 128;
  if (random_.chance(3)) {
    packet.icmp_type = v4 ? random_.pick<std::uint8_t>({0, 3, 4, 5, 11, 12, 13, 14, 15, 17, 18, 42})
                          : random_.pick<std::uint8_t>({1, 2, 3, 4, 127, 129, 135, 136, 139, 140, 144, 200});
  }
  packet.icmp_code = random_.pick<std::uint8_t>({0, 0, 1, 255});
}

void RandomJourneys::add_transport(Crafted& crafted) {
  Packet& packet = crafted.packet;
  const bool v4 = packet.source.family == Family::v4;
  const Protocol ping = v4 ? protocol::icmp : protocol::icmpv6;
  const Protocol other_ping = v4 ? protocol::icmpv6 : protocol::icmp;
  packet.protocol = random_.pick({protocol::tcp, protocol::tcp, protocol::tcp, protocol::tcp, protocol::udp,
                                  protocol::udp, protocol::udp, protocol::sctp, protocol::udplite, ping, ping, ping,
                                  protocol::igmp, Protocol{253}, random_.chance(3) ? other_ping : ping});
  if (has_ports(packet.protocol)) {
    const auto port = [&] {
      return random_.pick<std::uint16_t>(
          {1, 5, 9, 10, 22, 53, 67, 68, 80, 80, 80, 443, 546, 999, 1000, 2000, 2001, 6667, 8080, 65535});
    };
    packet.source_port = port();
    packet.destination_port = port();
  }
  if (packet.protocol == protocol::icmp || packet.protocol == protocol::icmpv6) add_icmp(packet);
  if (packet.protocol == protocol::tcp && random_.chance(6)) {
    using namespace tcp_flags;
    crafted.flags = random_.pick<std::uint8_t>({ack, syn | ack, rst, fin});
  }
}

/// What keeps a host a host: discovery, multicast, DHCP. From uplinks, and from workloads, which are trusted less.
Journey RandomJourneys::essential() {
  if (random_.chance(3)) return dhcp();
  if (random_.chance(6)) return false_claim();
  return random_.chance(6) ? own_multicast() : discovery();
}

/// The host hears what it says to groups that it belongs to.
Journey RandomJourneys::own_multicast() {
  const Family family = random_.pick({Family::v4, Family::v6});
  Journey journey = from("", family);
  add_transport(journey.crafted);
  journey.crafted.packet.destination = address(family == Family::v4 ? "224.0.0.1" : "ff02::1");
  return journey;
}

/// From outside, but with the host's own address: the kernel takes that of IPv6.
Journey RandomJourneys::false_claim() {
  Journey journey = from(random_.pick({"eth0", "eth1", "cali1"}), Family::v6);
  add_transport(journey.crafted);
  journey.crafted.packet.source = own(Family::v6);
  journey.crafted.packet.destination = address(random_.pick({"ff02::1", "ff02::1", "fd99::1", "fd00::2"}));
  return journey;
}

Journey RandomJourneys::discovery() {
  const std::string in = random_.pick({"eth0", "eth1", "wg0", "cali1", "cali2", "cali3", "vnet5", ""});
  Journey journey = from(in, Family::v6);
  Packet& packet = journey.crafted.packet;
  if (random_.chance(4)) {
    journey = from(in, Family::v4);
    packet.destination = address("224.0.0.1");
    packet.protocol = protocol::igmp;
    return journey;
  }
  if (!in.empty() && random_.chance(3)) packet.source = address("fe80::5");
  const bool to_own = !in.empty() && random_.chance(3);
  packet.destination = to_own ? own(Family::v6) : address(random_.pick({"ff02::1", "ff02::2"}));
  packet.protocol = protocol::icmpv6;
  packet.icmp_type = random_.pick<std::uint8_t>({130, 131, 132, 133, 134, 135, 136, 137, 143});
  return journey;
}

/// Between a server and the host, either of which may be at either end; and from a workload that asks the host.
Journey RandomJourneys::dhcp() {
  const Family family = random_.pick({Family::v4, Family::v6});
  const bool v4 = family == Family::v4;
  const std::uint16_t client = v4 ? 68 : 546;
  const std::uint16_t server = v4 ? 67 : 547;
  const std::string in = random_.pick({"eth0", "eth1", "cali1", ""});
  Journey journey = from(in, family);
  Packet& packet = journey.crafted.packet;
  packet.destination = in.empty() ? address(v4 ? "203.0.113.2" : "fd99::2") : own(family);
  if (v4 && !in.empty() && random_.chance(2)) packet.destination = address("255.255.255.255");
  const bool asks = random_.chance(2);
  if (v4 && asks && !in.empty()) {
    packet.source = address("0.0.0.0");
    packet.destination = address("255.255.255.255");
  }
  packet.protocol = protocol::udp;
  packet.source_port = asks ? client : server;
  packet.destination_port = asks ? server : client;
  return journey;
}

void RandomJourneys::add_sequels(Journey& journey) {
  if (random_.chance(2)) return;
  const Packet& packet = journey.crafted.packet;
  std::vector<Sequel> possible{Sequel::repeat};
  // Whose answers would go to somebody else.
  const bool claims = !journey.in.empty() && is_for_host(packet.source);
  const bool one_way = claims || tracking_of(journey.crafted) != Tracking::fresh || is_group(packet.destination) ||
                       passage_of(journey, Translates::yes).out_interface == "lo";
  if (!one_way) possible.insert(possible.end(), {Sequel::reply, Sequel::error});
  const std::size_t count = 1 + random_.below(possible.size());
  journey.sequels = random_.some(std::move(possible), count);
}

}  // namespace drywall::test
