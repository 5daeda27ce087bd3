// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/live_connections.h"

#include <gtest/gtest.h>
#include <linux/netfilter/nf_conntrack_common.h>

namespace drywall {
namespace {

Address address(const char* text) {
  return parse_address(text).value();
}

Socket listening(std::uint16_t port) {
  Socket socket;
  socket.protocol = protocol::tcp;
  socket.state = SocketState::listening;
  socket.local_port = port;
  return socket;
}

Socket connected(Protocol protocol, const char* local, std::uint16_t local_port, const char* remote,
                 std::uint16_t remote_port, SocketState state = SocketState::established) {
  Socket socket;
  socket.protocol = protocol;
  socket.state = state;
  socket.local = address(local);
  socket.remote = address(remote);
  socket.local_port = local_port;
  socket.remote_port = remote_port;
  return socket;
}

std::vector<ConntrackEntry> of(const std::vector<Socket>& sockets) {
  const Listeners listeners(sockets, {address("10.0.0.1")}, 32768);
  return live_connections(sockets, listeners, {.tcp_established = 1000, .udp = 20}, 32768);
}

ConntrackTuple tuple(Protocol protocol, const char* source, std::uint16_t source_port, const char* destination,
                     std::uint16_t destination_port) {
  return {address(source), address(destination), protocol, source_port, destination_port, 0, 0, 0};
}

TEST(LiveConnections, WhoConnectedToAListenerBeganIt) {
  const auto entries = of({listening(40000), connected(protocol::tcp, "10.0.0.1", 40000, "192.0.2.9", 80)});
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].original, tuple(protocol::tcp, "192.0.2.9", 80, "10.0.0.1", 40000));
  EXPECT_EQ(entries[0].reply, tuple(protocol::tcp, "10.0.0.1", 40000, "192.0.2.9", 80));
  EXPECT_EQ(entries[0].tcp_state, TcpState::established);
  EXPECT_EQ(entries[0].status, static_cast<std::uint32_t>(IPS_SEEN_REPLY | IPS_ASSURED));
  EXPECT_EQ(entries[0].timeout, 1000U);
}

TEST(LiveConnections, WithoutAListenerTheEphemeralPortBegan) {
  const ConntrackTuple inward = tuple(protocol::tcp, "192.0.2.9", 50000, "10.0.0.1", 22);
  EXPECT_EQ(of({connected(protocol::tcp, "10.0.0.1", 22, "192.0.2.9", 50000)}).at(0).original, inward);
  const ConntrackTuple outward = tuple(protocol::tcp, "10.0.0.1", 50000, "192.0.2.9", 22);
  EXPECT_EQ(of({connected(protocol::tcp, "10.0.0.1", 50000, "192.0.2.9", 22)}).at(0).original, outward);
  const ConntrackTuple unclear = tuple(protocol::tcp, "10.0.0.1", 50000, "192.0.2.9", 50001);
  EXPECT_EQ(of({connected(protocol::tcp, "10.0.0.1", 50000, "192.0.2.9", 50001)}).at(0).original, unclear);
}

TEST(LiveConnections, AHalfClosedOneLives) {
  EXPECT_EQ(of({connected(protocol::tcp, "10.0.0.1", 50000, "192.0.2.9", 22, SocketState::close_wait)}).size(), 1U);
  EXPECT_EQ(of({connected(protocol::tcp, "10.0.0.1", 50000, "192.0.2.9", 22, SocketState::fin_wait_2)}).size(), 1U);
}

TEST(LiveConnections, WhatIsBeingMadeOrIsOverDoesNot) {
  for (const SocketState state : {SocketState::syn_sent, SocketState::syn_received, SocketState::time_wait,
                                  SocketState::closed, SocketState::listening}) {
    EXPECT_TRUE(of({connected(protocol::tcp, "10.0.0.1", 50000, "192.0.2.9", 22, state)}).empty());
  }
}

TEST(LiveConnections, LoopbackIsLeftOut) {
  EXPECT_TRUE(of({connected(protocol::tcp, "127.0.0.1", 50000, "127.0.0.2", 22)}).empty());
  EXPECT_TRUE(of({connected(protocol::tcp, "::1", 50000, "::1", 22)}).empty());
}

TEST(LiveConnections, OfUdpAreAsGoodAsNewUntilAnswered) {
  const auto entries = of({connected(protocol::udp, "10.0.0.1", 50000, "192.0.2.9", 53)});
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].original, tuple(protocol::udp, "10.0.0.1", 50000, "192.0.2.9", 53));
  EXPECT_EQ(entries[0].status, 0U);
  EXPECT_FALSE(entries[0].tcp_state);
  EXPECT_EQ(entries[0].timeout, 20U);
}

}  // namespace
}  // namespace drywall
