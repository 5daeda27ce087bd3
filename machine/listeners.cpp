// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/listeners.h"

namespace drywall {
namespace {

bool is_any(const Address& address) {
  return address.high == 0 && address.low == 0;
}

bool awaits(const Socket& socket) {
  if (socket.protocol == protocol::tcp) return socket.state == SocketState::listening;
  return socket.state == SocketState::closed && socket.local_port != 0;
}

}  // namespace

Listeners::Listeners(std::span<const Socket> sockets, std::vector<Address> own, std::uint16_t first_ephemeral)
    : own_(own.begin(), own.end()), first_ephemeral_(first_ephemeral) {
  for (const Socket& socket : sockets) {
    if (!awaits(socket)) continue;
    const Port port{socket.protocol, socket.local_port};
    if (!is_any(socket.local)) {
      at_.emplace(socket.local, port);
      continue;
    }
    if (socket.local.family == Family::v4 || socket.takes_v4) anywhere_v4_.insert(port);
    if (socket.local.family == Family::v6) anywhere_v6_.insert(port);
  }
}

bool Listeners::awaited(Protocol protocol, const Address& local, std::uint16_t local_port,
                        std::uint16_t remote_port) const {
  const Port port{protocol, local_port};
  const std::set<Port>& anywhere = local.family == Family::v4 ? anywhere_v4_ : anywhere_v6_;
  if (!at_.contains({local, port}) && !(anywhere.contains(port) && own_.contains(local))) return false;
  return protocol == protocol::tcp || (local_port < first_ephemeral_ && remote_port >= first_ephemeral_);
}

DirectedEntry true_direction(const ConntrackEntry& entry, const Listeners& listeners) {
  const ConntrackTuple& began = entry.original;
  if (!listeners.awaited(began.protocol, began.source, began.source_port, began.destination_port)) {
    return {entry, DirectionSource::seen};
  }
  DirectedEntry turned{entry, DirectionSource::inferred};
  std::swap(turned.entry.original, turned.entry.reply);
  std::swap(turned.entry.original_count, turned.entry.reply_count);
  return turned;
}

}  // namespace drywall
