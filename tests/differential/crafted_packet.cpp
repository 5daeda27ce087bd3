// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/differential/crafted_packet.h"

#include <algorithm>
#include <array>

namespace drywall::test {
namespace {

constexpr std::size_t transport_size = 32;

void put16(Octets& out, unsigned value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8U));
  out.push_back(static_cast<std::uint8_t>(value));
}
void put(Octets& out, const Octets& more) {
  out.insert(out.end(), more.begin(), more.end());
}
void put(Octets& out, const Address& address) {
  for (const std::byte byte : to_bytes(address)) out.push_back(static_cast<std::uint8_t>(byte));
}

bool has_options(Form form) {
  return form == Form::options || form == Form::options_and_fragments;
}
bool is_fragmented(Form form) {
  return form == Form::fragments || form == Form::reversed_fragments || form == Form::options_and_fragments;
}

unsigned internet_checksum(const Octets& bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += static_cast<unsigned>(bytes[i]) << 8U | bytes[i + 1];
  while (sum >> 16U != 0) sum = (sum & 0xffffU) + (sum >> 16U);
  return ~sum & 0xffffU;
}

void put_checksum(Octets& message, std::size_t at, const Octets& summed) {
  const unsigned sum = internet_checksum(summed);
  message[at] = static_cast<std::uint8_t>(sum >> 8U);
  message[at + 1] = static_cast<std::uint8_t>(sum);
}

/// Address translation looks at it in ICMP errors, whatever connection tracking was told.
void put_icmp_checksum(Octets& message, const Packet& packet) {
  Octets summed;
  if (packet.protocol == protocol::icmpv6) {  // with the pseudo header of RFC 8200, 8.1
    put(summed, packet.source);
    put(summed, packet.destination);
    put16(summed, 0);
    put16(summed, static_cast<unsigned>(message.size()));
    put(summed, {0, 0, 0, packet.protocol.number});
  }
  put(summed, message);
  put_checksum(message, 2, summed);
}

/// A piece of a packet's payload and where it belongs.
struct Piece {
  Octets bytes;
  std::size_t offset;
  bool more;  // follow
};

std::vector<Piece> pieces_of(const Octets& payload, Form form) {
  if (!is_fragmented(form)) return {{payload, 0, false}};
  // The first must hold all headers (RFC 8200, 4.5), and a multiple of 8 bytes.
  const std::size_t size = (payload.size() - 1) / 8 * 8;
  const auto cut = payload.begin() + static_cast<std::ptrdiff_t>(size);
  std::vector<Piece> pieces{{{payload.begin(), cut}, 0, true}, {{cut, payload.end()}, size, false}};
  if (form == Form::reversed_fragments) std::swap(pieces[0], pieces[1]);
  return pieces;
}

Octets ipv4(const Crafted& crafted, const Piece& piece, std::uint16_t identification) {
  const Octets options = has_options(crafted.form) ? Octets{1, 1, 1, 0} : Octets{};  // three no-operations and the end
  Octets out{static_cast<std::uint8_t>(0x45U + options.size() / 4), 0};
  put16(out, static_cast<unsigned>(20 + options.size() + piece.bytes.size()));
  put16(out, identification);
  put16(out, static_cast<unsigned>(piece.offset / 8) | (piece.more ? 0x2000U : 0U));
  put(out, {64, crafted.packet.protocol.number, 0, 0});
  put(out, crafted.packet.source);
  put(out, crafted.packet.destination);
  put(out, options);
  put_checksum(out, 10, out);
  put(out, piece.bytes);
  return out;
}

constexpr std::uint8_t hop_by_hop = 0;
constexpr std::uint8_t fragment = 44;
constexpr std::uint8_t destination_options = 60;

/// An extension header that holds nothing but padding.
Octets padding_options(std::uint8_t next) {
  return {next, 0, 1, 4, 0, 0, 0, 0};
}

Octets fragment_header(std::uint8_t next, const Piece& piece, std::uint16_t identification) {
  Octets out{next, 0};
  put16(out, static_cast<unsigned>(piece.offset) | (piece.more ? 1U : 0U));
  put16(out, 0);
  put16(out, identification);
  return out;
}

/// Destination options stand behind the fragment header: they are part of what is fragmented.
Octets ipv6_payload(const Crafted& crafted) {
  Octets payload = has_options(crafted.form) ? padding_options(crafted.packet.protocol.number) : Octets{};
  put(payload, transport(crafted));
  return payload;
}

Octets ipv6(const Crafted& crafted, const Piece& piece, std::uint16_t identification) {
  std::uint8_t next = has_options(crafted.form) ? destination_options : crafted.packet.protocol.number;
  Octets headers;
  if (is_fragmented(crafted.form)) {
    headers = fragment_header(next, piece, identification);
    next = fragment;
  }
  if (has_options(crafted.form)) {
    Octets first = padding_options(next);
    put(first, headers);
    headers = std::move(first);
    next = hop_by_hop;
  }
  Octets out{0x60, 0, 0, 0};
  put16(out, static_cast<unsigned>(headers.size() + piece.bytes.size()));
  put(out, {next, 255});
  put(out, crafted.packet.source);
  put(out, crafted.packet.destination);
  put(out, headers);
  put(out, piece.bytes);
  return out;
}

/// The inner packet of an ICMP error.
Octets whole(const Packet& packet) {
  return ip_packets({packet, Form::plain, tcp_flags::syn, std::nullopt, false}, 1).front();
}

Packet unknown_packet(const Packet& error) {
  return {error.destination, error.source, protocol::udp, 4242, 4243, 0, 0};
}

}  // namespace

bool is_icmp_error(const Packet& packet) {
  if (packet.protocol == protocol::icmpv6) return packet.icmp_type < 128;
  constexpr std::array<std::uint8_t, 5> types{3, 4, 5, 11, 12};
  return packet.protocol == protocol::icmp && std::ranges::find(types, packet.icmp_type) != types.end();
}

Octets transport(const Crafted& crafted) {
  const Packet& packet = crafted.packet;
  Octets out;
  if (has_ports(packet.protocol)) {
    put16(out, packet.source_port);
    put16(out, packet.destination_port);
  }
  if (packet.protocol == protocol::tcp) {
    const std::uint8_t acknowledged = (crafted.flags & tcp_flags::ack) != 0 ? 2 : 0;
    put(out, {0, 0, 0, 1, 0, 0, 0, acknowledged, 0x50, crafted.flags, 0x20, 0, 0, 0, 0, 0});
  } else if (packet.protocol == protocol::udplite) {
    put(out, {0, transport_size, 1, 1});  // it must have a checksum
  } else if (packet.protocol == protocol::udp) {
    put(out, {0, transport_size, 0, 0});
  } else if (packet.protocol == protocol::sctp) {
    const std::uint8_t tag = crafted.answers ? 1 : 0;
    const std::uint8_t chunk = crafted.answers ? 2 : 1;
    put(out, {0, 0, 0, tag, 0, 0, 0, 0, chunk, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0x10, 0, 0, 1, 0, 1, 0, 0, 0, 1});
  } else if (packet.protocol == protocol::icmp || packet.protocol == protocol::icmpv6) {
    put(out, {packet.icmp_type, packet.icmp_code, 0, 0, 0x12, 0x34, 0, 1});
    if (is_icmp_error(packet)) put(out, whole(crafted.quoted.value_or(unknown_packet(packet))));
  }
  out.resize(std::max(out.size(), transport_size), 0);
  if (packet.protocol == protocol::icmp || packet.protocol == protocol::icmpv6) put_icmp_checksum(out, packet);
  return out;
}

std::vector<Octets> ip_packets(const Crafted& crafted, std::uint16_t identification) {
  const bool v4 = crafted.packet.source.family == Family::v4;
  std::vector<Octets> packets;
  for (const Piece& piece : pieces_of(v4 ? transport(crafted) : ipv6_payload(crafted), crafted.form)) {
    packets.push_back(v4 ? ipv4(crafted, piece, identification) : ipv6(crafted, piece, identification));
  }
  return packets;
}

std::uint16_t next_identification() {
  static std::uint16_t last = 0;
  last = static_cast<std::uint16_t>(last % 0xffff + 1);
  return last;
}

}  // namespace drywall::test
