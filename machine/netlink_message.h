// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "policy/result.h"

// Reading netlink messages, whose bytes are not trusted.

namespace drywall {

using Attribute = std::span<const std::byte>;

/// Calls `visit(type, payload)` for each attribute; stops at the first that does not fit.
///   returns  true if all fitted
template <class Visit>
bool for_each_attribute(Attribute bytes, const Visit& visit) {
  while (bytes.size() >= sizeof(nlattr)) {
    nlattr header;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > bytes.size()) return false;
    visit(header.nla_type & NLA_TYPE_MASK, bytes.subspan(sizeof header, header.nla_len - sizeof header));
    bytes = bytes.subspan(std::min<std::size_t>(bytes.size(), MNL_ALIGN(header.nla_len)));
  }
  return bytes.empty();
}

/// Text up to its NUL or its end.
inline std::string_view text_of(Attribute payload) {
  const std::string_view text(reinterpret_cast<const char*>(payload.data()), payload.size());
  return text.substr(0, text.find('\0'));
}

inline std::uint64_t number_of(Attribute payload) {
  std::uint64_t number = 0;
  if (payload.size() == sizeof number) std::memcpy(&number, payload.data(), sizeof number);
  return be64toh(number);
}

/// One netlink message, its header apart.
struct Message {
  nlmsghdr header{};
  Attribute payload;
  std::span<const std::byte> whole;  // both

  /// What follows the nfgenmsg.
  [[nodiscard]] Attribute attributes() const {
    return payload.size() < sizeof(nfgenmsg) ? Attribute{} : payload.subspan(MNL_ALIGN(sizeof(nfgenmsg)));
  }
};

enum class Received { messages, nothing, overrun };

/// Receives what is there and calls `visit` for each message.
///   errors  the socket's; ENOBUFS is told as overrun
template <class Visit>
Result<Received> receive(int fd, const Visit& visit) {
  alignas(nlmsghdr) static thread_local std::array<std::byte, 256 * 1024> buffer;
  const ssize_t got = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && errno == ENOBUFS) return Received::overrun;
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Received::nothing;
  if (got < 0) return tl::unexpected(Failure{"receive from", "netlink", errno, {}});
  std::span<const std::byte> left(buffer.data(), static_cast<std::size_t>(got));
  while (left.size() >= sizeof(nlmsghdr)) {
    Message message;
    std::memcpy(&message.header, left.data(), sizeof message.header);
    const std::size_t length = message.header.nlmsg_len;
    if (length < sizeof message.header || length > left.size()) break;
    message.whole = left.first(length);
    message.payload = message.whole.subspan(sizeof message.header);
    visit(message);
    left = left.subspan(std::min(left.size(), static_cast<std::size_t>(MNL_ALIGN(length))));
  }
  return Received::messages;
}

constexpr std::uint16_t nft_type(int message) {
  return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message);
}

}  // namespace drywall
