// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace drywall {

enum class Family : std::uint8_t { v4, v6 };
inline constexpr std::array both_families{Family::v4, Family::v6};

/// An IP address as a number in host byte order: an IPv4 address is the low 32 bits of `low`, `high` is 0.
/// Ordered by family, then numerically.
struct Address {
  Family family = Family::v4;
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  auto operator<=>(const Address&) const = default;
};

/// Text as inet_pton(3) reads it, nothing around it; no zone index.
[[nodiscard]] std::optional<Address> parse_address(std::string_view text);
[[nodiscard]] std::string to_string(const Address& address);
/// Network byte order: 4 or 16 bytes. `address_from_bytes` gives nothing for any other length.
[[nodiscard]] std::optional<Address> address_from_bytes(std::span<const std::byte> bytes);
[[nodiscard]] std::vector<std::byte> to_bytes(const Address& address);
[[nodiscard]] constexpr unsigned bits_of(Family family) {
  return family == Family::v4 ? 32 : 128;
}

/// An address block; `base` has no bits below `length` unless the text had them and the reader allowed it.
struct Prefix {
  Address base;
  std::uint8_t length = 0;  // 0..32 or 0..128
  auto operator<=>(const Prefix&) const = default;
};

/// `ADDRESS/LENGTH` as Go's net.ParseCIDR reads it, but no leading zeros in LENGTH; a bare address is not a prefix.
[[nodiscard]] std::optional<Prefix> parse_prefix(std::string_view text);
[[nodiscard]] std::string to_string(const Prefix& prefix);
/// The block with all bits below its length cleared.
[[nodiscard]] Prefix masked(const Prefix& prefix);
[[nodiscard]] Prefix host_prefix(const Address& address);

/// Both ends inclusive, one family.
struct AddressRange {
  Address first;
  Address last;
  auto operator<=>(const AddressRange&) const = default;
};
[[nodiscard]] AddressRange range_of(const Prefix& prefix);
/// The fewest prefixes that cover exactly the range, ascending.
[[nodiscard]] std::vector<Prefix> prefixes_of(const AddressRange& range);
/// The address one above; wraps to the family's zero address.
[[nodiscard]] Address next(const Address& address);

/// A set of addresses of both families: sorted, disjoint, never adjacent ranges. Lookup is O(log n).
class AddressSet {
 public:
  AddressSet() = default;
  explicit AddressSet(std::vector<AddressRange> ranges);
  explicit AddressSet(const std::vector<Prefix>& prefixes);
  [[nodiscard]] bool contains(const Address& address) const;
  [[nodiscard]] bool empty() const { return ranges_.empty(); }
  [[nodiscard]] bool has(Family family) const;
  [[nodiscard]] std::vector<AddressRange> ranges(Family family) const;
  [[nodiscard]] const std::vector<AddressRange>& ranges() const { return ranges_; }
  bool operator==(const AddressSet&) const = default;

 private:
  std::vector<AddressRange> ranges_;
};

/// An IP protocol number, 0..255.
struct Protocol {
  std::uint8_t number = 0;
  auto operator<=>(const Protocol&) const = default;
};
namespace protocol {
inline constexpr Protocol icmp{1}, igmp{2}, tcp{6}, udp{17}, icmpv6{58}, sctp{132}, udplite{136};
}
/// Of either family.
[[nodiscard]] constexpr bool is_icmp(Protocol protocol) {
  return protocol == protocol::icmp || protocol == protocol::icmpv6;
}
/// "tcp", "udp", "icmp", "icmpv6", "sctp", "udplite"; the number in decimal otherwise.
[[nodiscard]] std::string to_string(Protocol protocol);
/// The names above in any case, or a decimal number 0..255.
[[nodiscard]] std::optional<Protocol> parse_protocol(std::string_view text);
/// TCP, UDP, SCTP and UDP-Lite packets begin with source and destination port.
[[nodiscard]] bool has_ports(Protocol protocol);

/// Both ends inclusive, host byte order.
struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  auto operator<=>(const PortRange&) const = default;
};
[[nodiscard]] std::string to_string(PortRange range);  // "80" or "80:443"
/// Sorted, overlapping and adjacent ranges joined.
[[nodiscard]] std::vector<PortRange> merged(std::vector<PortRange> ranges);

/// One port of one endpoint: what a named port of a rule stands for.
struct EndpointPort {
  Address address;
  Protocol protocol;
  std::uint16_t port = 0;
  auto operator<=>(const EndpointPort&) const = default;
};

/// The packet that policy judges: the first of a connection, in its original direction, after any DNAT.
/// Ports are 0 for protocols without them; ICMP type and code likewise.
struct Packet {
  Address source;
  Address destination;
  Protocol protocol;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint8_t icmp_type = 0;
  std::uint8_t icmp_code = 0;
  auto operator<=>(const Packet&) const = default;
};

}  // namespace drywall
