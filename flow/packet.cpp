// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <array>

#include "flow/logged_packet.h"

namespace drywall {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t ipv4_header_size = 20;
constexpr std::size_t ipv6_header_size = 40;
constexpr int max_extension_headers = 16;

// Network byte order to host byte order; the caller has checked the length.
std::uint8_t read8(Bytes bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}
std::uint16_t read16(Bytes bytes, std::size_t at) {
  return static_cast<std::uint16_t>(read8(bytes, at) << 8U | read8(bytes, at + 1));
}
std::uint32_t read32(Bytes bytes, std::size_t at) {
  return static_cast<std::uint32_t>(read16(bytes, at)) << 16U | read16(bytes, at + 2);
}
std::uint64_t read64(Bytes bytes, std::size_t at) {
  return static_cast<std::uint64_t>(read32(bytes, at)) << 32U | read32(bytes, at + 4);
}
Address read_v4(Bytes bytes, std::size_t at) {
  return {Family::v4, 0, read32(bytes, at)};
}
Address read_v6(Bytes bytes, std::size_t at) {
  return {Family::v6, read64(bytes, at), read64(bytes, at + 8)};
}

/// Reads what stands behind the IP headers into `headers`, whose protocol is known.
tl::expected<PacketHeaders, PacketError> with_transport(PacketHeaders headers, Bytes bytes) {
  if (headers.fragment) return headers;
  Packet& packet = headers.packet;
  if (has_ports(packet.protocol)) {
    if (bytes.size() < 4) return tl::unexpected(PacketError::truncated);
    packet.source_port = read16(bytes, 0);
    packet.destination_port = read16(bytes, 2);
    if (packet.protocol == protocol::tcp && bytes.size() >= 8) headers.tcp_sequence = read32(bytes, 4);
  } else if (is_icmp(packet.protocol)) {
    if (bytes.size() < 2) return tl::unexpected(PacketError::truncated);
    packet.icmp_type = read8(bytes, 0);
    packet.icmp_code = read8(bytes, 1);
  }
  return headers;
}

tl::expected<PacketHeaders, PacketError> decode_v4(Bytes bytes) {
  if (bytes.size() < ipv4_header_size) return tl::unexpected(PacketError::truncated);
  const std::size_t header_size = (read8(bytes, 0) & 0xfU) * std::size_t{4};
  const std::size_t total_size = read16(bytes, 2);
  if (header_size < ipv4_header_size || total_size < header_size) return tl::unexpected(PacketError::bad_length);
  PacketHeaders headers;
  headers.packet.source = read_v4(bytes, 12);
  headers.packet.destination = read_v4(bytes, 16);
  headers.packet.protocol = Protocol{read8(bytes, 9)};
  headers.length = static_cast<std::uint32_t>(total_size);
  headers.fragment = (read16(bytes, 6) & 0x1fffU) != 0;
  const Bytes packet = bytes.first(std::min(bytes.size(), total_size));
  return with_transport(headers, packet.subspan(std::min(packet.size(), header_size)));
}

// The kernel's own list (ipv6_ext_hdr in net/ipv6/exthdrs_core.c): what nft's `meta l4proto` looks behind.
bool is_extension(std::uint8_t next_header) {
  constexpr std::array<std::uint8_t, 5> extensions{0, 43, 44, 51, 60};
  for (const std::uint8_t extension : extensions) {
    if (next_header == extension) return true;
  }
  return false;
}

std::size_t extension_size(std::uint8_t type, std::uint8_t length) {
  constexpr std::uint8_t fragment = 44;
  constexpr std::uint8_t authentication = 51;
  if (type == fragment) return 8;
  if (type == authentication) return (length + std::size_t{2}) * 4;
  return (length + std::size_t{1}) * 8;
}

tl::expected<PacketHeaders, PacketError> decode_v6(Bytes bytes) {
  if (bytes.size() < ipv6_header_size) return tl::unexpected(PacketError::truncated);
  const std::size_t total_size = ipv6_header_size + read16(bytes, 4);
  PacketHeaders headers;
  headers.packet.source = read_v6(bytes, 8);
  headers.packet.destination = read_v6(bytes, 24);
  headers.length = static_cast<std::uint32_t>(total_size);
  std::uint8_t type = read8(bytes, 6);
  Bytes rest = bytes.first(std::min(bytes.size(), total_size)).subspan(ipv6_header_size);
  for (int count = 0; is_extension(type); ++count) {
    if (count == max_extension_headers) return tl::unexpected(PacketError::too_many_headers);
    if (rest.size() < 8) return tl::unexpected(PacketError::truncated);
    const std::size_t size = extension_size(type, read8(rest, 1));
    const bool is_fragment_header = type == 44;
    type = read8(rest, 0);
    if (is_fragment_header && (read16(rest, 2) & 0xfff8U) != 0) {
      headers.fragment = true;
      break;
    }
    if (rest.size() < size) return tl::unexpected(PacketError::truncated);
    rest = rest.subspan(size);
  }
  headers.packet.protocol = Protocol{type};
  return with_transport(headers, rest);
}

}  // namespace

tl::expected<PacketHeaders, PacketError> decode_packet(std::span<const std::byte> bytes) {
  if (bytes.empty()) return tl::unexpected(PacketError::truncated);
  switch (read8(bytes, 0) >> 4U) {
    case 4:
      return decode_v4(bytes);
    case 6:
      return decode_v6(bytes);
    default:
      return tl::unexpected(PacketError::not_ip);
  }
}

}  // namespace drywall
