// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/net.h"
#include "policy/rule_tag.h"

// Packets and netlink messages byte by byte, as the kernel writes them.

namespace drywall::test {

using Bytes = std::vector<std::byte>;

inline void put8(Bytes& bytes, unsigned value) {
  bytes.push_back(static_cast<std::byte>(value));
}
inline void put16(Bytes& bytes, unsigned value) {
  put8(bytes, value >> 8U);
  put8(bytes, value);
}
inline void put32(Bytes& bytes, std::uint32_t value) {
  put16(bytes, value >> 16U);
  put16(bytes, value);
}
inline void put64(Bytes& bytes, std::uint64_t value) {
  put32(bytes, static_cast<std::uint32_t>(value >> 32U));
  put32(bytes, static_cast<std::uint32_t>(value));
}
inline void put(Bytes& bytes, const Bytes& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}
inline Bytes bytes_of(std::string_view text) {
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

inline Address address(std::string_view text) {
  return parse_address(text).value();
}

// --- transport

inline Bytes tcp(unsigned source, unsigned destination, std::uint32_t sequence = 0x01020304) {
  Bytes bytes;
  put16(bytes, source);
  put16(bytes, destination);
  put32(bytes, sequence);
  put32(bytes, 0);
  put16(bytes, 0x5002);  // no options, SYN
  put16(bytes, 64240);
  put32(bytes, 0);
  return bytes;
}
inline Bytes udp(unsigned source, unsigned destination) {
  Bytes bytes;
  put16(bytes, source);
  put16(bytes, destination);
  put32(bytes, 0x00080000);
  return bytes;
}
inline Bytes sctp(unsigned source, unsigned destination) {
  Bytes bytes = udp(source, destination);
  put32(bytes, 0);
  return bytes;
}
inline Bytes icmp(unsigned type, unsigned code) {
  Bytes bytes;
  put8(bytes, type);
  put8(bytes, code);
  put16(bytes, 0);
  put32(bytes, 0x00010002);
  return bytes;
}

// --- network

/// `fragment` is the header's flags and offset field.
inline Bytes ipv4(Protocol protocol, std::string_view source, std::string_view destination, const Bytes& payload,
                  unsigned fragment = 0, const Bytes& options = {}) {
  Bytes bytes;
  put8(bytes, 0x45U + static_cast<unsigned>(options.size() / 4));
  put8(bytes, 0);
  put16(bytes, static_cast<unsigned>(20 + options.size() + payload.size()));
  put16(bytes, 1);
  put16(bytes, fragment);
  put8(bytes, 64);
  put8(bytes, protocol.number);
  put16(bytes, 0);
  put(bytes, to_bytes(address(source)));
  put(bytes, to_bytes(address(destination)));
  put(bytes, options);
  put(bytes, payload);
  return bytes;
}

/// `next_header` names what `payload` begins with: a transport or an extension header.
inline Bytes ipv6(unsigned next_header, std::string_view source, std::string_view destination, const Bytes& payload) {
  Bytes bytes;
  put32(bytes, 0x60000000);
  put16(bytes, static_cast<unsigned>(payload.size()));
  put8(bytes, next_header);
  put8(bytes, 64);
  put(bytes, to_bytes(address(source)));
  put(bytes, to_bytes(address(destination)));
  put(bytes, payload);
  return bytes;
}

/// A hop-by-hop, routing or destination options header of 8 * (extra + 1) bytes before `payload`.
inline Bytes options_header(unsigned next_header, unsigned extra, const Bytes& payload) {
  Bytes bytes;
  put8(bytes, next_header);
  put8(bytes, extra);
  bytes.resize(8 * (extra + std::size_t{1}));
  put(bytes, payload);
  return bytes;
}
/// `offset` in units of 8 bytes.
inline Bytes fragment_header(unsigned next_header, unsigned offset, const Bytes& payload) {
  Bytes bytes;
  put8(bytes, next_header);
  put8(bytes, 0);
  put16(bytes, offset << 3U | 1U);
  put32(bytes, 7);
  put(bytes, payload);
  return bytes;
}
/// An authentication header of 4 * (words + 2) bytes.
inline Bytes authentication_header(unsigned next_header, unsigned words, const Bytes& payload) {
  Bytes bytes;
  put8(bytes, next_header);
  put8(bytes, words);
  bytes.resize(4 * (words + std::size_t{2}));
  put(bytes, payload);
  return bytes;
}

// --- netlink

template <class Number>
void put_native(Bytes& bytes, Number value) {
  Bytes raw(sizeof value);
  std::memcpy(raw.data(), &value, sizeof value);
  put(bytes, raw);
}

inline void put_attribute(Bytes& bytes, unsigned type, const Bytes& value) {
  put_native(bytes, static_cast<std::uint16_t>(NLA_HDRLEN + value.size()));
  put_native(bytes, static_cast<std::uint16_t>(type));
  put(bytes, value);
  bytes.resize(NLA_ALIGN(bytes.size()));
}
inline void put_attribute32(Bytes& bytes, unsigned type, std::optional<std::uint32_t> value) {
  if (!value) return;
  Bytes raw;
  put32(raw, *value);
  put_attribute(bytes, type, raw);
}

struct NflogMessage {
  std::string prefix;
  Bytes packet;
  unsigned hook = 1;
  unsigned protocol = 0x0800;  // ethernet's
  std::optional<std::uint32_t> in_interface;
  std::optional<std::uint32_t> out_interface;
  std::optional<std::uint32_t> mark;
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> sequence;
  std::optional<std::uint64_t> seconds;
  std::uint64_t microseconds = 0;
  unsigned type = NFNL_SUBSYS_ULOG << 8U | NFULNL_MSG_PACKET;
};

inline Bytes encode(const NflogMessage& message) {
  Bytes body;
  put8(body, 2);  // AF_INET
  put8(body, NFNETLINK_V0);
  put16(body, 4242);
  Bytes header;
  put16(header, message.protocol);
  put8(header, message.hook);
  put8(header, 0);
  put_attribute(body, NFULA_PACKET_HDR, header);
  put_attribute(body, NFULA_PREFIX, bytes_of(message.prefix + '\0'));
  put_attribute32(body, NFULA_MARK, message.mark);
  if (message.seconds) {
    Bytes time;
    put64(time, *message.seconds);
    put64(time, message.microseconds);
    put_attribute(body, NFULA_TIMESTAMP, time);
  }
  put_attribute32(body, NFULA_IFINDEX_INDEV, message.in_interface);
  put_attribute32(body, NFULA_IFINDEX_OUTDEV, message.out_interface);
  put_attribute32(body, NFULA_UID, message.uid);
  put_attribute32(body, NFULA_SEQ, message.sequence);
  put_attribute(body, NFULA_PAYLOAD, message.packet);

  Bytes bytes;
  put_native(bytes, static_cast<std::uint32_t>(NLMSG_HDRLEN + body.size()));
  put_native(bytes, static_cast<std::uint16_t>(message.type));
  put_native(bytes, std::uint16_t{0});
  put_native(bytes, std::uint32_t{0});
  put_native(bytes, std::uint32_t{0});
  put(bytes, body);
  return bytes;
}

}  // namespace drywall::test
