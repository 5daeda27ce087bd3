// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/sockets.h"

#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include <array>
#include <optional>

#include "machine/netlink_message.h"
#include "machine/netlink_socket.h"

namespace drywall {
namespace {

constexpr std::uint32_t all_but_time_wait = 0xffffU & ~(1U << static_cast<unsigned>(SocketState::time_wait));

std::optional<Address> address_of(std::uint8_t family, std::span<const std::byte> bytes) {
  if (family == AF_INET) return address_from_bytes(bytes.first(4));
  if (family == AF_INET6) return address_from_bytes(bytes);
  return std::nullopt;
}

struct Ends {
  Address local;
  Address remote;
};

/// The ends of an IPv6 socket that speaks IPv4: `::ffff:10.0.0.1` is 10.0.0.1, and `::` beside it 0.0.0.0.
Ends unmapped(const Ends& ends) {
  const auto is_mapped = [](const Address& address) { return address.high == 0 && address.low >> 32U == 0xffffU; };
  const auto is_v4 = [&](const Address& address) { return is_mapped(address) || address == Address{Family::v6, 0, 0}; };
  if (ends.local.family == Family::v4 || !is_v4(ends.local) || !is_v4(ends.remote)) return ends;
  if (!is_mapped(ends.local) && !is_mapped(ends.remote)) return ends;
  const auto low_bits = [](const Address& address) { return Address{Family::v4, 0, address.low & 0xffffffffU}; };
  return {low_bits(ends.local), low_bits(ends.remote)};
}

NetlinkRequest request_for(std::uint8_t family, Protocol protocol) {
  NetlinkRequest request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
  inet_diag_req_v2 body{};
  body.sdiag_family = family;
  body.sdiag_protocol = protocol.number;
  body.idiag_states = all_but_time_wait;
  request.put_header(&body, sizeof body);
  return request;
}

}  // namespace

tl::expected<Socket, SocketError> decode_socket(std::span<const std::byte> bytes, Protocol protocol) {
  nlmsghdr header;
  if (bytes.size() < sizeof header) return tl::unexpected(SocketError::truncated);
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY) return tl::unexpected(SocketError::not_a_socket);
  inet_diag_msg body;
  if (header.nlmsg_len < sizeof header + sizeof body || header.nlmsg_len > bytes.size()) {
    return tl::unexpected(SocketError::truncated);
  }
  const auto payload = bytes.subspan(sizeof header, header.nlmsg_len - sizeof header);
  std::memcpy(&body, payload.data(), sizeof body);
  if (body.idiag_state < static_cast<std::uint8_t>(SocketState::established) ||
      body.idiag_state > static_cast<std::uint8_t>(SocketState::new_syn_received)) {
    return tl::unexpected(SocketError::not_a_socket);
  }
  const auto local = address_of(body.idiag_family, std::as_bytes(std::span(body.id.idiag_src)));
  const auto remote = address_of(body.idiag_family, std::as_bytes(std::span(body.id.idiag_dst)));
  if (!local || !remote) return tl::unexpected(SocketError::bad_address);

  Socket socket;
  socket.protocol = protocol;
  socket.state = SocketState{body.idiag_state};
  const Ends ends = unmapped({*local, *remote});
  socket.local = ends.local;
  socket.remote = ends.remote;
  socket.local_port = ntohs(body.id.idiag_sport);
  socket.remote_port = ntohs(body.id.idiag_dport);
  socket.interface = body.id.idiag_if;
  socket.uid = body.idiag_uid;
  socket.inode = body.idiag_inode;
  const bool is_whole = for_each_attribute(payload.subspan(sizeof body), [&](int type, Attribute value) {
    if (type == INET_DIAG_SKV6ONLY && value.size() == 1) socket.takes_v4 = value[0] == std::byte{0};
  });
  if (!is_whole) return tl::unexpected(SocketError::truncated);
  socket.takes_v4 = socket.takes_v4 && socket.local == Address{Family::v6, 0, 0};
  return socket;
}

Result<SocketDump> read_sockets(const SocketLimits& limits) {
  Result<NetlinkSocket> diagnosis = NetlinkSocket::open(NETLINK_SOCK_DIAG, "sockets");
  if (!diagnosis) return tl::unexpected(diagnosis.error());
  SocketDump dump;
  for (const Protocol protocol : {protocol::tcp, protocol::udp}) {
    for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
      const Result<bool> all = diagnosis->dump(request_for(family, protocol), [&](std::span<const std::byte> message) {
        const auto socket = decode_socket(message, protocol);
        if (!socket) {
          ++dump.undecodable;
        } else if (dump.sockets.size() == limits.sockets) {
          return false;
        } else {
          dump.sockets.push_back(*socket);
        }
        return true;
      });
      if (!all) return tl::unexpected(all.error());
      dump.is_whole = *all;
      if (!dump.is_whole) return dump;
    }
  }
  return dump;
}

}  // namespace drywall
