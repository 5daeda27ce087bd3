// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/net.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace drywall {
namespace {

Address address(std::string_view text) {
  const auto parsed = parse_address(text);
  EXPECT_TRUE(parsed.has_value()) << text;
  return parsed.value_or(Address{});
}

Prefix prefix(std::string_view text) {
  const auto parsed = parse_prefix(text);
  EXPECT_TRUE(parsed.has_value()) << text;
  return parsed.value_or(Prefix{});
}

AddressRange range(std::string_view first, std::string_view last) {
  return {address(first), address(last)};
}

std::vector<std::string> texts(const std::vector<Prefix>& prefixes) {
  std::vector<std::string> out;
  for (const Prefix& p : prefixes) out.push_back(to_string(p));
  return out;
}

TEST(Address, IsANumberInHostByteOrder) {
  EXPECT_EQ(address("10.1.2.3"), (Address{Family::v4, 0, 0x0A010203}));
  EXPECT_EQ(address("2001:db8::1"), (Address{Family::v6, 0x20010DB800000000, 1}));
}

TEST(Address, IsWrittenAsInetNtopDoes) {
  for (const char* text : {"0.0.0.0", "255.255.255.255", "::", "::1", "2001:db8::a:0:0:1", "::ffff:10.0.0.1"}) {
    EXPECT_EQ(to_string(address(text)), text);
  }
  EXPECT_EQ(to_string(address("2001:DB8:0:0:0:0:0:1")), "2001:db8::1");
}

TEST(Address, RefusesWhatInetPtonRefuses) {
  for (const char* text : {"", "10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.1 ", " 10.0.0.1", "10.0.0.0/8",
                           "fe80::1%eth0", "1::2::3", "12345::", "0x0a.0.0.1"}) {
    EXPECT_FALSE(parse_address(text).has_value()) << text;
  }
  EXPECT_FALSE(parse_address(std::string_view("10.0.0.1\0", 9)).has_value());
  EXPECT_FALSE(parse_address(std::string(1000, '1')).has_value());
}

TEST(Address, BytesAreInNetworkOrder) {
  const Address v4 = address("10.1.2.3");
  EXPECT_EQ(to_bytes(v4), (std::vector{std::byte{10}, std::byte{1}, std::byte{2}, std::byte{3}}));
  EXPECT_EQ(address_from_bytes(to_bytes(v4)), v4);
  const Address v6 = address("2001:db8::ff");
  EXPECT_EQ(to_bytes(v6).size(), 16U);
  EXPECT_EQ(to_bytes(v6)[15], std::byte{0xFF});
  EXPECT_EQ(address_from_bytes(to_bytes(v6)), v6);
  EXPECT_FALSE(address_from_bytes(std::vector<std::byte>(5)).has_value());
}

TEST(Address, NextWrapsWithinItsFamily) {
  EXPECT_EQ(next(address("10.0.0.255")), address("10.0.1.0"));
  EXPECT_EQ(next(address("255.255.255.255")), address("0.0.0.0"));
  EXPECT_EQ(next(address("::ffff:ffff:ffff:ffff")), address("0:0:0:1::"));
  EXPECT_EQ(next(address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")), address("::"));
}

TEST(Address, FamiliesDoNotCompareEqual) {
  EXPECT_LT(address("255.255.255.255"), address("::"));
}

TEST(Prefix, KeepsTheBitsBelowItsLength) {
  EXPECT_EQ(to_string(prefix("10.1.2.3/8")), "10.1.2.3/8");
  EXPECT_EQ(to_string(masked(prefix("10.1.2.3/8"))), "10.0.0.0/8");
  EXPECT_EQ(to_string(masked(prefix("2001:db8:1:2:3::/33"))), "2001:db8::/33");
  EXPECT_EQ(to_string(masked(prefix("::1/0"))), "::/0");
}

TEST(Prefix, RefusesWhatIsNoCidr) {
  for (const char* text :
       {"10.0.0.1", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/-1", "10.0.0/8", "010.0.0.0/8",
        "::/129", "::/", "/8", "10.0.0.0/8/8", "10.0.0.0/8 ", "fe80::1%eth0/64", ""}) {
    EXPECT_FALSE(parse_prefix(text).has_value()) << text;
  }
}

TEST(Prefix, RangeHasBothEnds) {
  EXPECT_EQ(range_of(prefix("10.1.2.3/24")), range("10.1.2.0", "10.1.2.255"));
  EXPECT_EQ(range_of(prefix("0.0.0.0/0")), range("0.0.0.0", "255.255.255.255"));
  EXPECT_EQ(range_of(prefix("::/0")), range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
  EXPECT_EQ(range_of(host_prefix(address("::1"))), range("::1", "::1"));
}

TEST(Prefix, FewestCoverARange) {
  EXPECT_EQ(texts(prefixes_of(range("10.0.0.1", "10.0.0.6"))),
            (std::vector<std::string>{"10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"}));
  EXPECT_EQ(texts(prefixes_of(range("0.0.0.0", "255.255.255.255"))), std::vector<std::string>{"0.0.0.0/0"});
  EXPECT_EQ(texts(prefixes_of(range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))),
            std::vector<std::string>{"::/0"});
  EXPECT_EQ(prefixes_of(range("0.0.0.1", "255.255.255.254")).size(), 62U);
  EXPECT_EQ(texts(prefixes_of(range("255.255.255.255", "255.255.255.255"))),
            std::vector<std::string>{"255.255.255.255/32"});
}

TEST(AddressSet, JoinsOverlappingAndAdjacentRanges) {
  const AddressSet set(
      {range("10.0.1.0", "10.0.1.255"), range("10.0.0.0", "10.0.0.255"), range("10.0.0.9", "10.0.0.10")});
  EXPECT_EQ(set.ranges(), std::vector{range("10.0.0.0", "10.0.1.255")});
}

TEST(AddressSet, DoesNotJoinTheFamilies) {
  const AddressSet set(std::vector{prefix("255.255.255.255/32"), prefix("::/128"), prefix("0.0.0.0/32")});
  EXPECT_EQ(set.ranges().size(), 3U);
  EXPECT_EQ(set.ranges(Family::v4).size(), 2U);
  EXPECT_EQ(set.ranges(Family::v6).size(), 1U);
  EXPECT_TRUE(set.has(Family::v4));
  EXPECT_TRUE(set.has(Family::v6));
  EXPECT_FALSE(AddressSet(std::vector{prefix("::/0")}).has(Family::v4));
  EXPECT_FALSE(AddressSet(std::vector{prefix("::/0")}).contains(address("0.0.0.1")));
}

TEST(AddressSet, EndsAreWithin) {
  const AddressSet set(std::vector{prefix("10.0.0.0/24"), prefix("2001:db8::/64")});
  EXPECT_TRUE(set.contains(address("10.0.0.0")));
  EXPECT_TRUE(set.contains(address("10.0.0.255")));
  EXPECT_FALSE(set.contains(address("9.255.255.255")));
  EXPECT_FALSE(set.contains(address("10.0.1.0")));
  EXPECT_TRUE(set.contains(address("2001:db8::ffff:ffff:ffff:ffff")));
  EXPECT_FALSE(set.contains(address("2001:db8:0:1::")));
  EXPECT_FALSE(AddressSet().contains(address("10.0.0.0")));
}

TEST(AddressSet, AgreesWithTheListItWasMadeOf) {
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    std::vector<AddressRange> ranges;
    for (int i = 0; i < 20; ++i) {
      const std::uint64_t first = random() % 200;
      ranges.push_back({{Family::v4, 0, first}, {Family::v4, 0, first + random() % 8}});
    }
    const AddressSet set(ranges);
    for (std::uint64_t i = 0; i < 220; ++i) {
      const Address a{Family::v4, 0, i};
      const bool listed =
          std::any_of(ranges.begin(), ranges.end(), [&](auto& r) { return r.first <= a && a <= r.last; });
      EXPECT_EQ(set.contains(a), listed) << i;
    }
    for (std::size_t i = 1; i < set.ranges().size(); ++i) {
      EXPECT_LT(next(set.ranges()[i - 1].last), set.ranges()[i].first) << "never adjacent";
    }
  }
}

TEST(Protocol, IsKnownByNameInAnyCaseOrNumber) {
  EXPECT_EQ(parse_protocol("TCP"), protocol::tcp);
  EXPECT_EQ(parse_protocol("icmpv6"), protocol::icmpv6);
  EXPECT_EQ(parse_protocol("UDPLite"), protocol::udplite);
  EXPECT_EQ(parse_protocol("132"), protocol::sctp);
  EXPECT_EQ(parse_protocol("0"), Protocol{0});
  EXPECT_EQ(parse_protocol("255"), Protocol{255});
  for (const char* text : {"", "256", "-1", "06", "igmp", "tcp ", "1.0"}) EXPECT_FALSE(parse_protocol(text)) << text;
}

TEST(Protocol, IsWrittenByNameOrNumber) {
  EXPECT_EQ(to_string(protocol::tcp), "tcp");
  EXPECT_EQ(to_string(protocol::igmp), "2");
  EXPECT_EQ(to_string(Protocol{47}), "47");
}

TEST(Protocol, FourHavePorts) {
  EXPECT_TRUE(has_ports(protocol::tcp) && has_ports(protocol::udp) && has_ports(protocol::sctp));
  EXPECT_TRUE(has_ports(protocol::udplite));
  EXPECT_FALSE(has_ports(protocol::icmp) || has_ports(Protocol{47}));
}

TEST(PortRange, IsWrittenShort) {
  EXPECT_EQ(to_string(PortRange{80, 80}), "80");
  EXPECT_EQ(to_string(PortRange{80, 443}), "80:443");
}

TEST(PortRange, MergedJoinsAdjacentRanges) {
  EXPECT_EQ(merged({{90, 100}, {80, 89}, {1, 1}, {3, 3}, {85, 95}}),
            (std::vector<PortRange>{{1, 1}, {3, 3}, {80, 100}}));
  EXPECT_EQ(merged({{65535, 65535}, {0, 65534}}), (std::vector<PortRange>{{0, 65535}}));
}

}  // namespace
}  // namespace drywall
