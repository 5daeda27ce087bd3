// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/connections.h"

#include <fmt/format.h>
#include <linux/netfilter/nf_conntrack_common.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <set>

#include "machine/conntrack.h"
#include "machine/listeners.h"
#include "machine/routes.h"
#include "machine/sockets.h"

namespace drywall {
namespace {

constexpr std::size_t most_connections = 200'000;
constexpr std::uint16_t usual_first_ephemeral = 32768;

std::vector<Address> own_addresses(const Machine& machine) {
  std::vector<Address> own;
  for (const Interface& interface : machine.interfaces) {
    own.insert(own.end(), interface.addresses.begin(), interface.addresses.end());
  }
  return own;
}

std::uint16_t first_ephemeral_port() {
  std::uint16_t first = 0;
  return std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> first ? first : usual_first_ephemeral;
}

/// It has ended, whatever connection tracking still remembers of it.
bool is_over(const ConntrackEntry& entry) {
  if (!entry.tcp_state) return false;
  return *entry.tcp_state == TcpState::none || *entry.tcp_state == TcpState::last_ack ||
         *entry.tcp_state == TcpState::time_wait || *entry.tcp_state == TcpState::closed;
}

bool joins(const Packet& packet, const Ends& ends) {
  const auto is_from = [&](const Address& source, std::uint16_t source_port, const Address& destination,
                           std::uint16_t destination_port) {
    return packet.source == source && packet.source_port == source_port && packet.destination == destination &&
           packet.destination_port == destination_port;
  };
  return packet.protocol == ends.protocol && (is_from(ends.here, ends.port_here, ends.there, ends.port_there) ||
                                              is_from(ends.there, ends.port_there, ends.here, ends.port_here));
}

/// From what connection tracking knows to the way of a first packet through the host.
class Ways {
 public:
  Ways(const Machine& machine, Routes routes) : routes_(std::move(routes)) {
    for (const Address& address : own_addresses(machine)) own_.insert(address);
    names_.insert(machine.indexes.begin(), machine.indexes.end());
  }

  /// Nothing: from the host to itself, or there is no way any more.
  [[nodiscard]] std::optional<LiveConnection> way_of(const DirectedEntry& directed) {
    const ConntrackEntry& entry = directed.entry;
    LiveConnection out;
    out.is_one_way = (entry.status & IPS_SEEN_REPLY) == 0;
    out.is_inferred = directed.direction == DirectionSource::inferred;
    const ConntrackTuple& begun = entry.original;
    // Where the answer comes from is where the packet went, DNAT or not; what SNAT does comes after all policy.
    out.passage.packet = {begun.source,      entry.reply.source,      begun.protocol,
                          begun.source_port, entry.reply.source_port, begun.icmp_type,
                          begun.icmp_code};
    if (begun.destination != entry.reply.source || begun.destination_port != entry.reply.source_port) {
      out.passage.original_destination = begun.destination;
      out.passage.original_destination_port = begun.destination_port;
    }
    const bool from_host = is_own(begun.source);
    const bool to_host = is_own(entry.reply.source);
    if (from_host && to_host) return std::nullopt;
    if (!from_host) out.passage.in_interface = towards(begun.source);
    if (!to_host) out.passage.out_interface = towards(entry.reply.source);
    const bool is_known =
        (from_host || !out.passage.in_interface.empty()) && (to_host || !out.passage.out_interface.empty());
    return is_known ? std::optional(std::move(out)) : std::nullopt;
  }

 private:
  [[nodiscard]] bool is_own(const Address& address) const {
    const bool is_loopback =
        address.family == Family::v4 ? address.low >> 24U == 127 : address.high == 0 && address.low == 1;
    return is_loopback || own_.contains(address);
  }
  [[nodiscard]] std::string towards(const Address& address) {
    const std::optional<std::uint32_t> index = routes_.towards(address);
    const auto name = index ? names_.find(*index) : names_.end();
    return name == names_.end() ? "" : name->second;
  }

  Routes routes_;
  std::set<Address> own_;
  std::map<std::uint32_t, std::string> names_;
};

std::vector<Listener> listeners_of(const std::vector<Socket>& sockets) {
  std::set<Listener> out;
  for (const Socket& socket : sockets) {
    const bool listens = socket.state == SocketState::listening ||
                         (socket.protocol == protocol::udp && socket.state == SocketState::closed);
    if (!listens || socket.local_port == 0) continue;
    const Address any{socket.local.family, 0, 0};
    out.insert({socket.protocol, socket.local == any ? std::nullopt : std::optional(socket.local), socket.local_port});
  }
  return {out.begin(), out.end()};
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && stop == text.data() + text.size() ? std::optional(port) : std::nullopt;
}

}  // namespace

tl::expected<std::optional<Ends>, std::string> parse_ends(
    const std::vector<std::pair<std::string, std::string>>& fields) {
  if (fields.empty()) return std::nullopt;
  const std::map<std::string, std::string> by_name(fields.begin(), fields.end());
  const auto field = [&](const char* name) {
    const auto found = by_name.find(name);
    return found == by_name.end() ? std::string() : found->second;
  };
  const auto wrong = [&](const char* name, const char* expected) {
    return tl::unexpected(fmt::format("caller: {} is \"{}\", not {}", name, field(name), expected));
  };
  const auto protocol = parse_protocol(field("protocol"));
  const auto here = parse_address(field("here"));
  const auto there = parse_address(field("there"));
  const auto port_here = parse_port(field("port_here"));
  const auto port_there = parse_port(field("port_there"));
  if (!protocol) return wrong("protocol", "a protocol");
  if (!here) return wrong("here", "an address");
  if (!port_here) return wrong("port_here", "a port");
  if (!there) return wrong("there", "an address");
  if (!port_there) return wrong("port_there", "a port");
  return Ends{*protocol, *here, *port_here, *there, *port_there};
}

Result<LiveTraffic> read_live_traffic(const Machine& machine, const std::optional<Ends>& yours) {
  const Result<SocketDump> sockets = read_sockets();
  if (!sockets) return tl::unexpected(sockets.error());
  const Result<ConntrackDump> tracked = dump_conntrack({.entries = most_connections});
  if (!tracked) return tl::unexpected(tracked.error());
  Result<Routes> routes = Routes::open();
  if (!routes) return tl::unexpected(routes.error());

  const Listeners awaiting(sockets->sockets, own_addresses(machine), first_ephemeral_port());
  Ways ways(machine, std::move(*routes));
  LiveTraffic out;
  out.is_whole = tracked->is_whole;
  out.listeners = listeners_of(sockets->sockets);
  for (const ConntrackEntry& entry : tracked->entries) {
    if (is_over(entry)) continue;
    std::optional<LiveConnection> connection = ways.way_of(true_direction(entry, awaiting));
    if (!connection) continue;
    connection->is_yours = yours && joins(connection->passage.packet, *yours);
    out.connections.push_back(std::move(*connection));
  }
  return out;
}

}  // namespace drywall
