// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "flow/logged_packet.h"
#include "tests/flow/nflog_bytes.h"

namespace drywall {
namespace {

using namespace test;

TEST(DecodePacket, ReadsTcpOverIpv4) {
  const auto headers = decode_packet(ipv4(protocol::tcp, "192.0.2.7", "192.0.2.1", tcp(40000, 80, 0xdeadbeef)));
  ASSERT_TRUE(headers);
  EXPECT_EQ(headers->packet, (Packet{address("192.0.2.7"), address("192.0.2.1"), protocol::tcp, 40000, 80, 0, 0}));
  EXPECT_EQ(headers->length, 40U);
  EXPECT_EQ(headers->tcp_sequence, 0xdeadbeefU);
  EXPECT_FALSE(headers->fragment);
}

TEST(DecodePacket, ReadsPortsOfUdpUdpLiteAndSctp) {
  for (const Protocol protocol : {protocol::udp, protocol::udplite, protocol::sctp}) {
    const auto headers = decode_packet(ipv4(protocol, "10.0.0.1", "10.0.0.2", udp(5000, 53)));
    ASSERT_TRUE(headers);
    EXPECT_EQ(headers->packet, (Packet{address("10.0.0.1"), address("10.0.0.2"), protocol, 5000, 53, 0, 0}));
    EXPECT_EQ(headers->tcp_sequence, std::nullopt);
  }
}

TEST(DecodePacket, ReadsIcmpTypeAndCodeOfBothFamilies) {
  const auto v4 = decode_packet(ipv4(protocol::icmp, "10.0.0.1", "10.0.0.2", icmp(3, 4)));
  const auto v6 = decode_packet(ipv6(58, "fe80::1", "ff02::1", icmp(135, 1)));
  ASSERT_TRUE(v4 && v6);
  EXPECT_EQ(v4->packet, (Packet{address("10.0.0.1"), address("10.0.0.2"), protocol::icmp, 0, 0, 3, 4}));
  EXPECT_EQ(v6->packet, (Packet{address("fe80::1"), address("ff02::1"), protocol::icmpv6, 0, 0, 135, 1}));
}

TEST(DecodePacket, OtherProtocolsHaveNoPortsAndNeedNoBytes) {
  const auto headers = decode_packet(ipv4(Protocol{47}, "10.0.0.1", "10.0.0.2", {}));
  ASSERT_TRUE(headers);
  EXPECT_EQ(headers->packet.protocol, Protocol{47});
  EXPECT_EQ(headers->packet.destination_port, 0);
}

TEST(DecodePacket, SkipsIpv4Options) {
  const auto headers = decode_packet(ipv4(protocol::udp, "10.0.0.1", "10.0.0.2", udp(1, 2), 0, Bytes(8)));
  ASSERT_TRUE(headers);
  EXPECT_EQ(headers->packet.destination_port, 2);
  EXPECT_EQ(headers->length, 36U);
}

TEST(DecodePacket, LengthIsThePacketsNotTheCopys) {
  Bytes bytes = ipv4(protocol::udp, "10.0.0.1", "10.0.0.2", udp(1, 2));
  bytes[2] = std::byte{0x05};
  bytes[3] = std::byte{0xdc};
  EXPECT_EQ(decode_packet(bytes)->length, 1500U);
  EXPECT_EQ(decode_packet(ipv6(17, "::1", "::2", udp(1, 2)))->length, 48U);
}

TEST(DecodePacket, LaterFragmentHasNoPorts) {
  const auto later = decode_packet(ipv4(protocol::tcp, "10.0.0.1", "10.0.0.2", tcp(1, 2), 0x2001));
  ASSERT_TRUE(later);
  EXPECT_TRUE(later->fragment);
  EXPECT_EQ(later->packet.destination_port, 0);
  EXPECT_EQ(later->tcp_sequence, std::nullopt);
  EXPECT_TRUE(decode_packet(ipv4(protocol::tcp, "10.0.0.1", "10.0.0.2", {}, 0x2001)));
}

TEST(DecodePacket, FirstFragmentHasPorts) {
  const auto first = decode_packet(ipv4(protocol::tcp, "10.0.0.1", "10.0.0.2", tcp(1, 2), 0x2000));
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->fragment);
  EXPECT_EQ(first->packet.destination_port, 2);
}

TEST(DecodePacket, SkipsExtensionHeaders) {
  const Bytes inner = authentication_header(6, 4, tcp(1000, 443));
  const Bytes chain = options_header(43, 0, options_header(60, 2, options_header(51, 0, inner)));
  const auto headers = decode_packet(ipv6(0, "2001:db8::1", "2001:db8::2", chain));
  ASSERT_TRUE(headers);
  EXPECT_EQ(headers->packet.protocol, protocol::tcp);
  EXPECT_EQ(headers->packet.destination_port, 443);
}

TEST(DecodePacket, KnowsIpv6Fragments) {
  const auto first = decode_packet(ipv6(44, "::1", "::2", fragment_header(17, 0, udp(1, 2))));
  const auto later = decode_packet(ipv6(44, "::1", "::2", fragment_header(17, 9, Bytes(3))));
  ASSERT_TRUE(first && later);
  EXPECT_FALSE(first->fragment);
  EXPECT_EQ(first->packet.destination_port, 2);
  EXPECT_TRUE(later->fragment);
  EXPECT_EQ(later->packet.protocol, protocol::udp);
  EXPECT_EQ(later->packet.destination_port, 0);
}

TEST(DecodePacket, SixteenExtensionHeadersAreReadAndSeventeenAreNot) {
  Bytes chain = udp(1, 2);
  for (unsigned header = 0; header < 16; ++header) chain = options_header(header == 0 ? 17 : 60, 0, chain);
  EXPECT_TRUE(decode_packet(ipv6(60, "::1", "::2", chain)));
  chain = options_header(60, 0, chain);
  EXPECT_EQ(decode_packet(ipv6(60, "::1", "::2", chain)).error(), PacketError::too_many_headers);
}

TEST(DecodePacket, EncryptedAndEmptyPacketsEndTheChain) {
  EXPECT_EQ(decode_packet(ipv6(50, "::1", "::2", Bytes(8)))->packet.protocol, Protocol{50});
  EXPECT_EQ(decode_packet(ipv6(59, "::1", "::2", {}))->packet.protocol, Protocol{59});
}

TEST(DecodePacket, TooShortACopyIsTruncatedAtEveryLength) {
  const Bytes v4 = ipv4(protocol::udp, "10.0.0.1", "10.0.0.2", udp(1, 2));
  for (std::size_t size = 0; size < 24; ++size) {
    EXPECT_EQ(decode_packet(std::span{v4}.first(size)).error(), PacketError::truncated) << size;
  }
  for (std::size_t size = 24; size <= v4.size(); ++size) EXPECT_TRUE(decode_packet(std::span{v4}.first(size))) << size;

  const Bytes v6 = ipv6(0, "::1", "::2", options_header(44, 1, fragment_header(58, 0, icmp(128, 0))));
  for (std::size_t size = 0; size < 66; ++size) {
    EXPECT_EQ(decode_packet(std::span{v6}.first(size)).error(), PacketError::truncated) << size;
  }
  for (std::size_t size = 66; size <= v6.size(); ++size) EXPECT_TRUE(decode_packet(std::span{v6}.first(size))) << size;
}

TEST(DecodePacket, TcpSequenceNeedsEightBytes) {
  const Bytes bytes = ipv4(protocol::tcp, "10.0.0.1", "10.0.0.2", tcp(1, 2));
  EXPECT_EQ(decode_packet(std::span{bytes}.first(27))->tcp_sequence, std::nullopt);
  EXPECT_EQ(decode_packet(std::span{bytes}.first(28))->tcp_sequence, 0x01020304U);
}

TEST(DecodePacket, BytesBehindThePacketAreNotItsPorts) {
  Bytes bytes = ipv4(protocol::udp, "10.0.0.1", "10.0.0.2", {});
  put(bytes, udp(1, 2));  // ethernet padding
  EXPECT_EQ(decode_packet(bytes).error(), PacketError::truncated);
}

TEST(DecodePacket, RefusesOtherVersionsAndLengthsThatCannotBe) {
  Bytes bytes = ipv4(protocol::udp, "10.0.0.1", "10.0.0.2", udp(1, 2));
  bytes[0] = std::byte{0x55};
  EXPECT_EQ(decode_packet(bytes).error(), PacketError::not_ip);
  bytes[0] = std::byte{0x44};  // a header of 16 bytes
  EXPECT_EQ(decode_packet(bytes).error(), PacketError::bad_length);
  bytes[0] = std::byte{0x45};
  bytes[3] = std::byte{19};  // a packet shorter than its header
  EXPECT_EQ(decode_packet(bytes).error(), PacketError::bad_length);
}

}  // namespace
}  // namespace drywall
