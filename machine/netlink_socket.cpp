// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/netlink_socket.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include "machine/netlink_message.h"

namespace drywall {
namespace {

constexpr std::size_t most_at_once = 64;  // their answers fit into any receive buffer

/// The errno that ends a dump or answers a request; NLMSG_DONE and NLMSG_ERROR both begin with it.
int error_of(const Message& message) {
  int error = 0;
  if (message.payload.size() < sizeof error) return message.header.nlmsg_type == NLMSG_DONE ? 0 : EBADMSG;
  std::memcpy(&error, message.payload.data(), sizeof error);
  return -error;
}

}  // namespace

NetlinkRequest::NetlinkRequest(std::uint16_t type, std::uint16_t flags) : buffer_(room) {
  mnl_nlmsg_put_header(buffer_.data());
  header()->nlmsg_type = type;
  header()->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
}

void NetlinkRequest::put_header(const void* bytes, std::size_t size) {
  if (header()->nlmsg_len + MNL_ALIGN(size) > room) std::abort();
  std::memcpy(mnl_nlmsg_put_extra_header(header(), size), bytes, size);
}

void NetlinkRequest::put(std::uint16_t type, std::span<const std::byte> payload) {
  if (!mnl_attr_put_check(header(), room, type, payload.size(), payload.data())) std::abort();
}

void NetlinkRequest::put8(std::uint16_t type, std::uint8_t number) {
  put(type, std::as_bytes(std::span(&number, 1)));
}

void NetlinkRequest::put_big16(std::uint16_t type, std::uint16_t number) {
  const std::uint16_t big = htobe16(number);
  put(type, std::as_bytes(std::span(&big, 1)));
}

void NetlinkRequest::put_big32(std::uint16_t type, std::uint32_t number) {
  const std::uint32_t big = htobe32(number);
  put(type, std::as_bytes(std::span(&big, 1)));
}

void NetlinkRequest::nest(std::uint16_t type, const std::function<void()>& fill) {
  nlattr* const outer = mnl_attr_nest_start_check(header(), room, type);
  if (outer == nullptr) std::abort();
  fill();
  mnl_attr_nest_end(header(), outer);
}

std::span<const std::byte> NetlinkRequest::bytes() const {
  nlmsghdr header;
  std::memcpy(&header, buffer_.data(), sizeof header);
  return std::span(buffer_).first(header.nlmsg_len);
}

Result<NetlinkSocket> NetlinkSocket::open(int protocol, std::string name) {
  SocketPtr socket(mnl_socket_open2(protocol, SOCK_CLOEXEC), &mnl_socket_close);
  if (socket == nullptr || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
    return tl::unexpected(Failure{"talk to", std::move(name), errno, {}});
  }
  const int on = 1;
  mnl_socket_setsockopt(socket.get(), NETLINK_CAP_ACK, const_cast<int*>(&on), sizeof on);  // shorter answers
  return NetlinkSocket(std::move(socket), std::move(name));
}

tl::unexpected<Failure> NetlinkSocket::failed(const char* operation, int error) const {
  return tl::unexpected(Failure{operation, name_, error, error == EPERM ? "CAP_NET_ADMIN is missing" : ""});
}

Result<bool> NetlinkSocket::dump(NetlinkRequest request, const Take& take) {
  request.set_sequence(sequence_++);
  const auto bytes = request.bytes();
  if (mnl_socket_sendto(socket_.get(), bytes.data(), bytes.size()) < 0) return failed("list", errno);
  std::optional<int> end;
  bool wants_more = true;
  while (!end && wants_more) {
    const Result<Received> received = receive(mnl_socket_get_fd(socket_.get()), [&](const Message& message) {
      if (message.header.nlmsg_type == NLMSG_DONE || message.header.nlmsg_type == NLMSG_ERROR) {
        end = error_of(message);
      } else if (wants_more) {
        wants_more = take(message.whole);
      }
    });
    if (!received) return tl::unexpected(received.error());
    // The kernel answers within the calls, so that nothing is never waited for.
    if (*received == Received::overrun) return failed("list", ENOBUFS);
    if (*received == Received::nothing) return failed("list", EAGAIN);
  }
  if (end.value_or(0) != 0) return failed("list", *end);
  return wants_more;
}

Result<std::vector<int>> NetlinkSocket::ask(std::span<NetlinkRequest> requests) {
  std::vector<int> answers(requests.size(), EBADMSG);
  for (std::size_t i = 0; i < requests.size(); i += most_at_once) {
    const std::size_t count = std::min(most_at_once, requests.size() - i);
    const Result<void> asked = ask_some(requests.subspan(i, count), std::span(answers).subspan(i, count));
    if (!asked) return tl::unexpected(asked.error());
  }
  return answers;
}

Result<void> NetlinkSocket::ask_some(std::span<NetlinkRequest> requests, std::span<int> answers) {
  const std::uint32_t first = sequence_;
  std::vector<std::byte> bytes;
  for (NetlinkRequest& request : requests) {
    request.set_sequence(sequence_++);
    bytes.insert(bytes.end(), request.bytes().begin(), request.bytes().end());
  }
  if (mnl_socket_sendto(socket_.get(), bytes.data(), bytes.size()) < 0) return failed("change", errno);
  std::size_t answered = 0;
  while (answered < requests.size()) {
    const Result<Received> received = receive(mnl_socket_get_fd(socket_.get()), [&](const Message& message) {
      const std::uint32_t index = message.header.nlmsg_seq - first;
      if (message.header.nlmsg_type != NLMSG_ERROR || index >= answers.size()) return;
      answers[index] = error_of(message);
      ++answered;
    });
    if (!received) return tl::unexpected(received.error());
    if (*received == Received::overrun) return failed("change", ENOBUFS);
    if (*received == Received::nothing) return failed("change", EAGAIN);
  }
  return {};
}

}  // namespace drywall
