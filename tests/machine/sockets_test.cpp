// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/sockets.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "machine/netlink_socket.h"
#include "tests/daemon/kernel.h"

namespace drywall {
namespace {

using Bytes = std::vector<std::byte>;

Address address(const char* text) {
  return parse_address(text).value();
}

// Hand-made messages

inet_diag_msg body(int family, SocketState state, const char* local, std::uint16_t local_port, const char* remote,
                   std::uint16_t remote_port) {
  inet_diag_msg body{};
  body.idiag_family = static_cast<std::uint8_t>(family);
  body.idiag_state = static_cast<std::uint8_t>(state);
  inet_pton(family, local, body.id.idiag_src);
  inet_pton(family, remote, body.id.idiag_dst);
  body.id.idiag_sport = htons(local_port);
  body.id.idiag_dport = htons(remote_port);
  return body;
}

Bytes message(const inet_diag_msg& body, std::optional<std::uint8_t> v6_only = std::nullopt) {
  NetlinkRequest message(SOCK_DIAG_BY_FAMILY, 0);
  message.put_header(&body, sizeof body);
  if (v6_only) message.put8(INET_DIAG_SKV6ONLY, *v6_only);
  return {message.bytes().begin(), message.bytes().end()};
}

TEST(DecodeSocket, ReadsAllOfIt) {
  inet_diag_msg raw = body(AF_INET, SocketState::close_wait, "10.0.0.1", 22, "192.0.2.9", 40000);
  raw.id.idiag_if = 4;
  raw.idiag_uid = 1000;
  raw.idiag_inode = 77;
  EXPECT_EQ(decode_socket(message(raw), protocol::tcp).value(),
            (Socket{protocol::tcp, SocketState::close_wait, address("10.0.0.1"), address("192.0.2.9"), 22, 40000, false,
                    4, 1000, 77}));
}

TEST(DecodeSocket, AnIpv6SocketThatSpeaksIpv4HasIpv4Addresses) {
  const auto socket =
      decode_socket(message(body(AF_INET6, SocketState::established, "::ffff:10.0.0.1", 22, "::ffff:192.0.2.9", 40000)),
                    protocol::tcp);
  ASSERT_TRUE(socket);
  EXPECT_EQ(socket->local, address("10.0.0.1"));
  EXPECT_EQ(socket->remote, address("192.0.2.9"));
  const auto waiting =
      decode_socket(message(body(AF_INET6, SocketState::listening, "::ffff:10.0.0.1", 22, "::", 0), 0), protocol::tcp);
  ASSERT_TRUE(waiting);
  EXPECT_EQ(waiting->remote, address("0.0.0.0"));
  EXPECT_FALSE(waiting->takes_v4);
}

TEST(DecodeSocket, ASocketOfAnyIpv6AddressTakesIpv4UnlessItWasToldNotTo) {
  const inet_diag_msg any = body(AF_INET6, SocketState::listening, "::", 22, "::", 0);
  EXPECT_TRUE(decode_socket(message(any, 0), protocol::tcp)->takes_v4);
  EXPECT_FALSE(decode_socket(message(any, 1), protocol::tcp)->takes_v4);
  EXPECT_FALSE(decode_socket(message(any), protocol::tcp)->takes_v4);
}

TEST(DecodeSocket, RefusesAMessageCutAnywhere) {
  const Bytes whole = message(body(AF_INET6, SocketState::listening, "::", 22, "::", 0), 1);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto socket = decode_socket(std::span(whole).first(size), protocol::tcp);
    ASSERT_FALSE(socket) << size;
    EXPECT_EQ(socket.error(), SocketError::truncated) << size;
  }
}

TEST(DecodeSocket, RefusesWhatIsNoSocketOfIp) {
  Bytes foreign = message(body(AF_INET, SocketState::established, "10.0.0.1", 1, "10.0.0.2", 2));
  foreign[4] ^= std::byte{1};
  EXPECT_EQ(decode_socket(foreign, protocol::tcp).error(), SocketError::not_a_socket);
  for (const unsigned state : {0U, 13U, 255U}) {
    const auto odd = static_cast<SocketState>(state);
    EXPECT_EQ(decode_socket(message(body(AF_INET, odd, "10.0.0.1", 1, "10.0.0.2", 2)), protocol::tcp).error(),
              SocketError::not_a_socket);
  }
  EXPECT_EQ(decode_socket(message(body(AF_UNIX, SocketState::established, "", 1, "", 2)), protocol::tcp).error(),
            SocketError::bad_address);
}

// The real kernel

class KernelSockets : public testing::Kernel {
 protected:
  void TearDown() override {
    for (const int fd : open_) close(fd);
  }
  int open_socket(int type) {
    open_.push_back(socket(AF_INET6, type | SOCK_CLOEXEC, 0));
    return open_.back();
  }
  static sockaddr_in6 at(const char* text, std::uint16_t port) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    inet_pton(AF_INET6, text, &address.sin6_addr);
    return address;
  }
  static std::vector<Socket> at_port(std::uint16_t port) {
    auto dump = read_sockets();
    EXPECT_TRUE(dump) << to_string(dump.error());
    std::erase_if(dump->sockets, [&](const Socket& s) { return s.local_port != port && s.remote_port != port; });
    return dump->sockets;
  }
  std::vector<int> open_;
};

TEST_F(KernelSockets, AreListeningAndEstablishedInTheFamilyThatTheySpeak) {
  const int listener = open_socket(SOCK_STREAM);
  const sockaddr_in6 any = at("::", 7001);
  ASSERT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
  ASSERT_EQ(listen(listener, 5), 0);
  const int client = open_socket(SOCK_STREAM);
  const sockaddr_in6 there = at("::ffff:127.0.0.1", 7001);
  ASSERT_EQ(connect(client, reinterpret_cast<const sockaddr*>(&there), sizeof there), 0);
  open_.push_back(accept(listener, nullptr, nullptr));

  std::vector<Socket> sockets = at_port(7001);
  ASSERT_EQ(sockets.size(), 3U);
  const auto waiting = std::ranges::find(sockets, SocketState::listening, &Socket::state);
  ASSERT_NE(waiting, sockets.end());
  EXPECT_EQ(waiting->local, address("::"));
  EXPECT_TRUE(waiting->takes_v4);
  EXPECT_EQ(std::ranges::count_if(sockets,
                                  [](const Socket& s) {
                                    return s.state == SocketState::established && s.local == address("127.0.0.1") &&
                                           s.remote == address("127.0.0.1") && s.inode != 0;
                                  }),
            2);
}

TEST_F(KernelSockets, OfUdpAreConnectedOrNot) {
  const int waiting = open_socket(SOCK_DGRAM);
  const sockaddr_in6 here = at("::1", 7002);
  ASSERT_EQ(bind(waiting, reinterpret_cast<const sockaddr*>(&here), sizeof here), 0);
  const int connected = open_socket(SOCK_DGRAM);
  ASSERT_EQ(connect(connected, reinterpret_cast<const sockaddr*>(&here), sizeof here), 0);

  const std::vector<Socket> sockets = at_port(7002);
  ASSERT_EQ(sockets.size(), 2U);
  for (const Socket& socket : sockets) {
    EXPECT_EQ(socket.protocol, protocol::udp);
    EXPECT_EQ(socket.state, socket.local_port == 7002 ? SocketState::closed : SocketState::established);
  }
}

TEST_F(KernelSockets, AreCutAtTheLimit) {
  open_socket(SOCK_DGRAM);
  const sockaddr_in6 here = at("::1", 7003);
  ASSERT_EQ(bind(open_.back(), reinterpret_cast<const sockaddr*>(&here), sizeof here), 0);
  const auto none = read_sockets({.sockets = 0});
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->sockets.empty());
  EXPECT_FALSE(none->is_whole);
}

}  // namespace
}  // namespace drywall
