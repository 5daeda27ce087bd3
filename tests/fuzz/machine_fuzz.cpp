// SPDX-License-Identifier: GPL-2.0-or-later
// Bytes from the kernel's connection table and its list of sockets. Nothing may crash, and what is accepted keeps its
// promises.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "machine/conntrack.h"
#include "machine/listeners.h"
#include "machine/sockets.h"

namespace drywall::test {
namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const ConntrackEntry& entry) {
  for (const ConntrackTuple* tuple : {&entry.original, &entry.reply}) {
    require(tuple->source.family == tuple->destination.family);
    require(tuple->protocol == entry.original.protocol);
  }
  require(entry.original.source.family == entry.reply.source.family);
  require(!entry.tcp_state || *entry.tcp_state <= TcpState::syn_sent_by_both);
}

void check(const Socket& socket) {
  require(socket.local.family == socket.remote.family);
  require(socket.state >= SocketState::established && socket.state <= SocketState::new_syn_received);
  require(!socket.takes_v4 || socket.local == Address{Family::v6, 0, 0});
}

/// An entry that begins where the socket waits is turned round, and turning does not lose anything.
void check_direction(const ConntrackEntry& entry) {
  Socket socket;
  socket.protocol = entry.original.protocol;
  socket.state = SocketState::listening;
  socket.local = entry.original.source;
  socket.local_port = entry.original.source_port;
  const DirectedEntry directed = true_direction(entry, Listeners({&socket, 1}, {socket.local}));
  const bool is_tcp = entry.original.protocol == protocol::tcp;
  require((directed.direction == DirectionSource::inferred) == is_tcp);
  require(directed.entry.original == (is_tcp ? entry.reply : entry.original));
}

void run(std::span<const std::byte> message) {
  if (const auto entry = decode_conntrack(message)) {
    check(*entry);
    check_direction(*entry);
  }
  for (const Protocol protocol : {protocol::tcp, protocol::udp}) {
    if (const auto socket = decode_socket(message, protocol)) check(*socket);
  }
}

}  // namespace
}  // namespace drywall::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  drywall::test::run(std::as_bytes(std::span{data, size}));
  return 0;
}
