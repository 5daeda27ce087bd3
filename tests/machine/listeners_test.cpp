// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/listeners.h"

#include <gtest/gtest.h>

namespace drywall {
namespace {

Address address(const char* text) {
  return parse_address(text).value();
}

Socket waiting(Protocol protocol, const char* local, std::uint16_t port, bool takes_v4 = false) {
  Socket socket;
  socket.protocol = protocol;
  socket.state = protocol == protocol::tcp ? SocketState::listening : SocketState::closed;
  socket.local = address(local);
  socket.local_port = port;
  socket.takes_v4 = takes_v4;
  return socket;
}

ConntrackEntry entry(Protocol protocol, const char* source, std::uint16_t source_port, const char* destination,
                     std::uint16_t destination_port) {
  ConntrackEntry entry;
  entry.original = {address(source), address(destination), protocol, source_port, destination_port, 0, 0, 0};
  entry.reply = {address(destination), address(source), protocol, destination_port, source_port, 0, 0, 0};
  entry.original_count = ConntrackCount{1, 100};
  entry.reply_count = ConntrackCount{2, 200};
  entry.id = 9;
  return entry;
}

Listeners of(std::vector<Socket> sockets) {
  return {sockets, {address("10.0.0.1"), address("fd00::1")}};
}

TEST(TrueDirection, AnEntryThatBeginsAtAListeningPortIsTurnedRoundWithItsCounts) {
  const ConntrackEntry taken_up = entry(protocol::tcp, "10.0.0.1", 22, "192.0.2.9", 40000);
  const DirectedEntry turned = true_direction(taken_up, of({waiting(protocol::tcp, "0.0.0.0", 22)}));
  EXPECT_EQ(turned.direction, DirectionSource::inferred);
  EXPECT_EQ(turned.entry.original, taken_up.reply);
  EXPECT_EQ(turned.entry.reply, taken_up.original);
  EXPECT_EQ(turned.entry.original_count, (ConntrackCount{2, 200}));
  EXPECT_EQ(turned.entry.reply_count, (ConntrackCount{1, 100}));
  EXPECT_EQ(turned.entry.id, 9U);
}

TEST(TrueDirection, OtherEntriesStayAsTheyAre) {
  const Listeners ssh = of({waiting(protocol::tcp, "0.0.0.0", 22)});
  for (const ConntrackEntry& seen : {entry(protocol::tcp, "192.0.2.9", 40000, "10.0.0.1", 22),
                                     entry(protocol::tcp, "10.0.0.1", 40000, "192.0.2.9", 22),
                                     entry(protocol::udp, "10.0.0.1", 22, "192.0.2.9", 40000)}) {
    EXPECT_EQ(true_direction(seen, ssh), (DirectedEntry{seen, DirectionSource::seen}));
  }
}

TEST(TrueDirection, AForwardedConnectionFromTheSamePortNumberIsNotOurs) {
  const ConntrackEntry forwarded = entry(protocol::tcp, "172.17.0.2", 22, "192.0.2.9", 40000);
  EXPECT_EQ(true_direction(forwarded, of({waiting(protocol::tcp, "0.0.0.0", 22)})).direction, DirectionSource::seen);
}

TEST(Listeners, ASocketOfAnyAddressWaitsInTheFamiliesThatItTakes) {
  const auto awaited = [](const Listeners& listeners, const char* local) {
    return listeners.awaited(protocol::tcp, address(local), 22, 40000);
  };
  const Listeners v4 = of({waiting(protocol::tcp, "0.0.0.0", 22)});
  EXPECT_TRUE(awaited(v4, "10.0.0.1"));
  EXPECT_FALSE(awaited(v4, "fd00::1"));
  const Listeners both = of({waiting(protocol::tcp, "::", 22, true)});
  EXPECT_TRUE(awaited(both, "10.0.0.1"));
  EXPECT_TRUE(awaited(both, "fd00::1"));
  const Listeners v6 = of({waiting(protocol::tcp, "::", 22)});
  EXPECT_FALSE(awaited(v6, "10.0.0.1"));
  EXPECT_TRUE(awaited(v6, "fd00::1"));
  const Listeners one = of({waiting(protocol::tcp, "10.0.0.1", 22)});
  EXPECT_TRUE(awaited(one, "10.0.0.1"));
  EXPECT_FALSE(awaited(one, "10.0.0.2"));
}

TEST(Listeners, ASocketThatIsConnectedDoesNotWait) {
  Socket connected = waiting(protocol::tcp, "10.0.0.1", 22);
  connected.state = SocketState::established;
  EXPECT_FALSE(of({connected}).awaited(protocol::tcp, address("10.0.0.1"), 22, 40000));
  connected = waiting(protocol::udp, "10.0.0.1", 53);
  connected.state = SocketState::established;
  EXPECT_FALSE(of({connected}).awaited(protocol::udp, address("10.0.0.1"), 53, 40000));
}

TEST(Listeners, AUdpServerMayBeginItselfUnlessOnlyItsPortIsAKnownOne) {
  const Listeners server = of({waiting(protocol::udp, "0.0.0.0", 123), waiting(protocol::udp, "0.0.0.0", 50000)});
  EXPECT_TRUE(server.awaited(protocol::udp, address("10.0.0.1"), 123, 40000));
  EXPECT_FALSE(server.awaited(protocol::udp, address("10.0.0.1"), 123, 123));
  EXPECT_FALSE(server.awaited(protocol::udp, address("10.0.0.1"), 50000, 53));
}

}  // namespace
}  // namespace drywall
