// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/live_connections.h"

#include <linux/netfilter/nf_conntrack_common.h>

#include <cerrno>
#include <fstream>
#include <optional>

#include "machine/links.h"

namespace drywall {
namespace {

constexpr std::size_t most_sockets = 262'144;
constexpr std::uint16_t default_first_ephemeral = 32'768;

bool is_loopback(const Address& address) {
  if (address.family == Family::v4) return address.low >> 24U == 127;
  return address == Address{Family::v6, 0, 1};
}

bool is_live(const Socket& socket) {
  switch (socket.state) {
    case SocketState::established:
    case SocketState::fin_wait_1:
    case SocketState::fin_wait_2:
    case SocketState::close_wait:
    case SocketState::last_ack:
    case SocketState::closing:
      return socket.remote_port != 0 && !is_loopback(socket.local) && !is_loopback(socket.remote);
    case SocketState::syn_sent:
    case SocketState::syn_received:
    case SocketState::new_syn_received:
    case SocketState::time_wait:
    case SocketState::closed:
    case SocketState::listening:
      return false;
  }
  return false;
}

ConntrackTuple reversed(const ConntrackTuple& tuple) {
  ConntrackTuple back = tuple;
  std::swap(back.source, back.destination);
  std::swap(back.source_port, back.destination_port);
  return back;
}

std::optional<std::uint32_t> number_in(const char* path) {
  std::uint32_t number = 0;
  return std::ifstream(path) >> number ? std::optional(number) : std::nullopt;
}

ConntrackTimeouts read_timeouts() {
  ConntrackTimeouts timeouts;
  const std::string directory = "/proc/sys/net/netfilter/nf_conntrack_";
  timeouts.tcp_established =
      number_in((directory + "tcp_timeout_established").c_str()).value_or(timeouts.tcp_established);
  timeouts.udp = number_in((directory + "udp_timeout").c_str()).value_or(timeouts.udp);
  return timeouts;
}

Result<std::vector<Address>> own_addresses() {
  const Result<std::vector<Link>> links = read_links();
  if (!links) return tl::unexpected(links.error());
  std::vector<Address> own;
  for (const Link& link : *links) {
    own.insert(own.end(), link.interface.addresses.begin(), link.interface.addresses.end());
  }
  return own;
}

}  // namespace

std::vector<ConntrackEntry> live_connections(std::span<const Socket> sockets, const Listeners& listeners,
                                             const ConntrackTimeouts& timeouts, std::uint16_t first_ephemeral) {
  std::vector<ConntrackEntry> entries;
  for (const Socket& socket : sockets) {
    if (!is_live(socket)) continue;
    const bool is_tcp = socket.protocol == protocol::tcp;
    const bool is_known_port = socket.local_port < first_ephemeral && socket.remote_port >= first_ephemeral;
    const bool is_begun_there =
        listeners.awaited(socket.protocol, socket.local, socket.local_port, socket.remote_port) ||
        (is_tcp && is_known_port);
    const ConntrackTuple outward{
        socket.local, socket.remote, socket.protocol, socket.local_port, socket.remote_port, 0, 0, 0};
    ConntrackEntry& entry = entries.emplace_back();
    entry.original = is_begun_there ? reversed(outward) : outward;
    entry.reply = reversed(entry.original);
    // Nobody knows whether a UDP connection was ever answered: until it is, its packets are a new connection's.
    entry.status = is_tcp ? IPS_SEEN_REPLY | IPS_ASSURED : 0;
    entry.tcp_state = is_tcp ? std::optional(TcpState::established) : std::nullopt;
    entry.timeout = is_tcp ? timeouts.tcp_established : timeouts.udp;
  }
  return entries;
}

Result<Entered> enter_live_connections() {
  const Result<SocketDump> dump = read_sockets({.sockets = most_sockets});
  if (!dump) return tl::unexpected(dump.error());
  Result<std::vector<Address>> own = own_addresses();
  if (!own) return tl::unexpected(own.error());
  const auto first_ephemeral =
      static_cast<std::uint16_t>(number_in("/proc/sys/net/ipv4/ip_local_port_range").value_or(default_first_ephemeral));
  const Listeners listeners(dump->sockets, std::move(*own), first_ephemeral);
  const std::vector<ConntrackEntry> live = live_connections(dump->sockets, listeners, read_timeouts(), first_ephemeral);
  Entered entered;
  entered.is_whole = dump->is_whole;
  if (live.empty()) return entered;
  Result<ConntrackSocket> conntrack = ConntrackSocket::open();
  if (!conntrack) return tl::unexpected(conntrack.error());
  const Result<std::vector<int>> answers = conntrack->create(live);
  if (!answers) return tl::unexpected(answers.error());
  for (const int error : *answers) {
    if (error == 0) ++entered.fresh;
    if (error == 0 || error == EEXIST) continue;
    ++entered.refused;
    entered.error = error;
  }
  return entered;
}

}  // namespace drywall
