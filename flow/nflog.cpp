// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "flow/logged_packet.h"

namespace drywall {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint16_t packet_message = NFNL_SUBSYS_ULOG << 8U | NFULNL_MSG_PACKET;
constexpr std::size_t attributes_at = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(nfgenmsg));

template <class Number>
Number load(Bytes bytes) {  // host byte order; the caller has checked the length
  Number number;
  std::memcpy(&number, bytes.data(), sizeof number);
  return number;
}

// Network byte order; nothing if the attribute is too short.
std::optional<std::uint32_t> big32(Bytes bytes) {
  if (bytes.size() < 4) return std::nullopt;
  const auto number = load<std::uint32_t>(bytes);
  return std::endian::native == std::endian::little ? __builtin_bswap32(number) : number;
}
std::uint64_t big64(Bytes bytes) {
  const auto number = load<std::uint64_t>(bytes);
  return std::endian::native == std::endian::little ? __builtin_bswap64(number) : number;
}

std::optional<Timestamp> read_timestamp(Bytes bytes) {
  constexpr std::uint64_t last_second = 253'402'300'799;  // of the year 9999
  if (bytes.size() < 16) return std::nullopt;
  const std::uint64_t seconds = big64(bytes);
  const std::uint64_t microseconds = big64(bytes.subspan(8));
  if (seconds > last_second || microseconds >= 1'000'000) return std::nullopt;
  return Timestamp{std::chrono::seconds{seconds} + std::chrono::microseconds{microseconds}};
}

std::string_view text_of(Bytes bytes) {  // up to the NUL
  const std::string_view text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  return text.substr(0, text.find('\0'));
}

/// The attributes that we use, as views into the message.
struct Attributes {
  std::optional<Bytes> header;
  std::optional<Bytes> payload;
  std::optional<Bytes> prefix;
};

/// Puts one attribute where it belongs; numbers go straight into `packet`.
void take(std::uint16_t type, Bytes value, Attributes& attributes, LoggedPacket& packet) {
  switch (type) {
    case NFULA_PACKET_HDR:
      attributes.header = value;
      break;
    case NFULA_PAYLOAD:
      attributes.payload = value;
      break;
    case NFULA_PREFIX:
      attributes.prefix = value;
      break;
    case NFULA_TIMESTAMP:
      packet.at = read_timestamp(value).value_or(packet.at);
      break;
    case NFULA_IFINDEX_INDEV:
      packet.in_interface = big32(value).value_or(0);
      break;
    case NFULA_IFINDEX_OUTDEV:
      packet.out_interface = big32(value).value_or(0);
      break;
    case NFULA_MARK:
      packet.mark = big32(value).value_or(0);
      break;
    case NFULA_UID:
      packet.uid = big32(value);
      break;
    case NFULA_SEQ:
      packet.sequence = big32(value);
      break;
    default:  // the kernel's, and of no use to us
      break;
  }
}

/// False if the attributes' lengths do not add up.
bool take_all(Bytes bytes, Attributes& attributes, LoggedPacket& packet) {
  while (bytes.size() >= NLA_HDRLEN) {
    const std::size_t size = load<std::uint16_t>(bytes);
    if (size < NLA_HDRLEN || size > bytes.size()) return false;
    const auto type = static_cast<std::uint16_t>(load<std::uint16_t>(bytes.subspan(2)) & NLA_TYPE_MASK);
    take(type, bytes.subspan(NLA_HDRLEN, size - NLA_HDRLEN), attributes, packet);
    bytes = bytes.subspan(std::min<std::size_t>(NLA_ALIGN(size), bytes.size()));
  }
  return bytes.empty();
}

}  // namespace

tl::expected<LoggedPacket, NflogError> decode_nflog(std::span<const std::byte> message, Timestamp received_at) {
  if (message.size() < NLMSG_HDRLEN) return tl::unexpected(NflogError::truncated);
  const std::size_t size = load<std::uint32_t>(message);
  if (load<std::uint16_t>(message.subspan(4)) != packet_message) return tl::unexpected(NflogError::not_nflog);
  if (size < attributes_at || size > message.size()) return tl::unexpected(NflogError::truncated);

  LoggedPacket packet;
  packet.at = received_at;
  Attributes attributes;
  if (!take_all(message.subspan(attributes_at, size - attributes_at), attributes, packet)) {
    return tl::unexpected(NflogError::truncated);
  }
  const auto tag = attributes.prefix ? parse_rule_tag(text_of(*attributes.prefix)) : std::nullopt;
  if (!tag) return tl::unexpected(NflogError::foreign_tag);
  if (!attributes.header || attributes.header->size() < sizeof(nfulnl_msg_packet_hdr) || !attributes.payload) {
    return tl::unexpected(NflogError::bad_packet);
  }
  auto headers = decode_packet(*attributes.payload);
  if (!headers) return tl::unexpected(NflogError::bad_packet);

  packet.tag = *tag;
  packet.hook = static_cast<std::uint8_t>((*attributes.header)[offsetof(nfulnl_msg_packet_hdr, hook)]);
  packet.headers = *headers;
  return packet;
}

std::uint32_t SequenceCounter::lost_before(std::uint32_t sequence) {
  // A jump over half of all numbers is a step back: the kernel began to count anew, which is no loss.
  constexpr std::uint32_t half = 0x8000'0000;
  const std::uint32_t lost = last_ ? sequence - *last_ - 1 : 0;
  last_ = sequence;
  return lost < half ? lost : 0;
}

}  // namespace drywall
