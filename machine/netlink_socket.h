// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <libmnl/libmnl.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "policy/result.h"

namespace drywall {

/// One netlink message that we send, under construction.
class NetlinkRequest {
 public:
  ///   flags  beside NLM_F_REQUEST
  NetlinkRequest(std::uint16_t type, std::uint16_t flags);
  /// The fixed part, before any attribute.
  void put_header(const void* bytes, std::size_t size);
  void put(std::uint16_t type, std::span<const std::byte> payload);
  void put8(std::uint16_t type, std::uint8_t number);
  void put_big16(std::uint16_t type, std::uint16_t number);  // given in host byte order
  void put_big32(std::uint16_t type, std::uint32_t number);
  /// Calls `fill()` between the beginning and the end of an attribute that holds others.
  void nest(std::uint16_t type, const std::function<void()>& fill);
  void set_sequence(std::uint32_t sequence) { header()->nlmsg_seq = sequence; }
  [[nodiscard]] std::span<const std::byte> bytes() const;

 private:
  static constexpr std::size_t room = 512;  // what does not fit is a bug: aborts
  [[nodiscard]] nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(buffer_.data()); }
  std::vector<std::byte> buffer_;  // on the heap, so aligned for any header
};

/// A netlink socket that asks the kernel and waits for its answer.
class NetlinkSocket {
 public:
  ///   protocol  NETLINK_NETFILTER, ...
  ///   name      of what is talked to, for failures: "conntrack"
  [[nodiscard]] static Result<NetlinkSocket> open(int protocol, std::string name);

  /// Takes one message, header included; false: that is enough.
  using Take = std::function<bool(std::span<const std::byte> message)>;
  /// Sends a request with NLM_F_DUMP and takes what comes.
  ///   returns  false if `take` had enough: then this socket is of no further use
  [[nodiscard]] Result<bool> dump(NetlinkRequest request, const Take& take);
  /// Sends requests with NLM_F_ACK, a few at a time.
  ///   returns  the kernel's errno for each, in their order; 0: done
  [[nodiscard]] Result<std::vector<int>> ask(std::span<NetlinkRequest> requests);

 private:
  using SocketPtr = std::unique_ptr<mnl_socket, int (*)(mnl_socket*)>;
  NetlinkSocket(SocketPtr socket, std::string name) : socket_(std::move(socket)), name_(std::move(name)) {}
  Result<void> ask_some(std::span<NetlinkRequest> requests, std::span<int> answers);
  [[nodiscard]] tl::unexpected<Failure> failed(const char* operation, int error) const;

  SocketPtr socket_;
  std::string name_;
  std::uint32_t sequence_ = 1;
};

}  // namespace drywall
