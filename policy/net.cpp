// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/net.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdlib>
#include <utility>

namespace drywall {
namespace {

__extension__ using Number = unsigned __int128;  // an address of either family

Number number_of(const Address& address) {
  return (Number{address.high} << 64U) | address.low;
}

Address address_of(Family family, Number number) {
  return {family, static_cast<std::uint64_t>(number >> 64U), static_cast<std::uint64_t>(number)};
}

/// The lowest `count` bits set, count <= 128.
Number low_bits(unsigned count) {
  return count >= 128 ? ~Number{0} : (Number{1} << count) - 1;
}

unsigned trailing_zeros(Number number) {
  const auto low = static_cast<std::uint64_t>(number);
  if (low != 0) return static_cast<unsigned>(std::countr_zero(low));
  return 64 + static_cast<unsigned>(std::countr_zero(static_cast<std::uint64_t>(number >> 64U)));
}

/// Digits only, without sign, space or leading zeros.
std::optional<unsigned> parse_decimal(std::string_view text, unsigned highest) {
  if (text.empty() || text.size() > 9 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  unsigned value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || value > highest) return std::nullopt;
  return value;
}

bool equal_ignoring_case(std::string_view a, std::string_view lower) {
  const auto to_lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), lower.begin(), lower.end(),
                    [&](char left, char right) { return to_lower(left) == right; });
}

constexpr std::array<std::pair<std::string_view, Protocol>, 6> protocol_names{{{"tcp", protocol::tcp},
                                                                               {"udp", protocol::udp},
                                                                               {"icmp", protocol::icmp},
                                                                               {"icmpv6", protocol::icmpv6},
                                                                               {"sctp", protocol::sctp},
                                                                               {"udplite", protocol::udplite}}};

/// Sorted, overlapping and adjacent ranges joined.
std::vector<AddressRange> normalised(std::vector<AddressRange> ranges) {
  for (const AddressRange& range : ranges) {
    if (range.first.family != range.last.family || range.last < range.first) std::abort();
  }
  if (!std::is_sorted(ranges.begin(), ranges.end())) std::sort(ranges.begin(), ranges.end());
  std::size_t kept = 0;
  for (const AddressRange& range : ranges) {
    if (kept > 0) {
      AddressRange& before = ranges[kept - 1];
      const bool overlaps = before.last.family == range.first.family && range.first <= before.last;
      const Address above = next(before.last);
      const bool adjoins = above == range.first && before.last < above;  // not after the family's last address
      if (overlaps || adjoins) {
        before.last = std::max(before.last, range.last);
        continue;
      }
    }
    ranges[kept++] = range;
  }
  ranges.resize(kept);
  return ranges;
}

std::vector<AddressRange> ranges_of(const std::vector<Prefix>& prefixes) {
  std::vector<AddressRange> ranges;
  ranges.reserve(prefixes.size());
  for (const Prefix& prefix : prefixes) ranges.push_back(range_of(prefix));
  return ranges;
}

}  // namespace

std::optional<Address> parse_address(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size() || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::copy(text.begin(), text.end(), terminated.begin());
  std::array<std::byte, 16> bytes{};
  if (inet_pton(AF_INET, terminated.data(), bytes.data()) == 1) return address_from_bytes(std::span(bytes).first(4));
  if (inet_pton(AF_INET6, terminated.data(), bytes.data()) == 1) return address_from_bytes(bytes);
  return std::nullopt;
}

std::string to_string(const Address& address) {
  const std::vector<std::byte> bytes = to_bytes(address);
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(address.family == Family::v4 ? AF_INET : AF_INET6, bytes.data(), text.data(), text.size());
  return text.data();
}

std::optional<Address> address_from_bytes(std::span<const std::byte> bytes) {
  if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
  Number number = 0;
  for (const std::byte byte : bytes) number = (number << 8U) | std::to_integer<std::uint8_t>(byte);
  return address_of(bytes.size() == 4 ? Family::v4 : Family::v6, number);
}

std::vector<std::byte> to_bytes(const Address& address) {
  std::vector<std::byte> bytes(bits_of(address.family) / 8);
  Number number = number_of(address);
  for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte, number >>= 8U) {
    *byte = static_cast<std::byte>(number & 0xFFU);
  }
  return bytes;
}

std::optional<Prefix> parse_prefix(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::optional<Address> base = parse_address(text.substr(0, slash));
  if (!base) return std::nullopt;
  const std::optional<unsigned> length = parse_decimal(text.substr(slash + 1), bits_of(base->family));
  if (!length) return std::nullopt;
  return Prefix{*base, static_cast<std::uint8_t>(*length)};
}

std::string to_string(const Prefix& prefix) {
  return fmt::format("{}/{}", to_string(prefix.base), prefix.length);
}

Prefix masked(const Prefix& prefix) {
  return {range_of(prefix).first, prefix.length};
}

Prefix host_prefix(const Address& address) {
  return {address, static_cast<std::uint8_t>(bits_of(address.family))};
}

AddressRange range_of(const Prefix& prefix) {
  const unsigned bits = bits_of(prefix.base.family);
  if (prefix.length > bits) std::abort();
  const Number below = low_bits(bits - prefix.length);
  const Number first = number_of(prefix.base) & ~below;
  return {address_of(prefix.base.family, first), address_of(prefix.base.family, first | below)};
}

std::vector<Prefix> prefixes_of(const AddressRange& range) {
  const Family family = range.first.family;
  if (family != range.last.family || range.last < range.first) std::abort();
  const unsigned bits = bits_of(family);
  std::vector<Prefix> prefixes;
  Number first = number_of(range.first);
  const Number last = number_of(range.last);
  while (true) {
    // The largest block that starts at `first` and does not reach beyond `last`.
    unsigned free_bits = first == 0 ? bits : std::min(bits, trailing_zeros(first));
    while (low_bits(free_bits) > last - first) --free_bits;
    prefixes.push_back({address_of(family, first), static_cast<std::uint8_t>(bits - free_bits)});
    const Number covered = first | low_bits(free_bits);
    if (covered == last) return prefixes;
    first = covered + 1;
  }
}

Address next(const Address& address) {
  return address_of(address.family, (number_of(address) + 1) & low_bits(bits_of(address.family)));
}

AddressSet::AddressSet(std::vector<AddressRange> ranges) : ranges_(normalised(std::move(ranges))) {}

AddressSet::AddressSet(const std::vector<Prefix>& prefixes) : AddressSet(ranges_of(prefixes)) {}

bool AddressSet::contains(const Address& address) const {
  const auto above = std::upper_bound(ranges_.begin(), ranges_.end(), address,
                                      [](const Address& a, const AddressRange& range) { return a < range.first; });
  if (above == ranges_.begin()) return false;
  const AddressRange& candidate = *std::prev(above);
  return candidate.last.family == address.family && address <= candidate.last;
}

bool AddressSet::has(Family family) const {
  if (ranges_.empty()) return false;
  return family == Family::v4 ? ranges_.front().first.family == family : ranges_.back().first.family == family;
}

std::vector<AddressRange> AddressSet::ranges(Family family) const {
  const auto first_v6 = std::partition_point(ranges_.begin(), ranges_.end(),
                                             [](const AddressRange& r) { return r.first.family == Family::v4; });
  return family == Family::v4 ? std::vector(ranges_.begin(), first_v6) : std::vector(first_v6, ranges_.end());
}

std::string to_string(Protocol protocol) {
  for (const auto& [name, known] : protocol_names) {
    if (known == protocol) return std::string(name);
  }
  return fmt::format("{}", protocol.number);
}

std::optional<Protocol> parse_protocol(std::string_view text) {
  for (const auto& [name, known] : protocol_names) {
    if (equal_ignoring_case(text, name)) return known;
  }
  const std::optional<unsigned> number = parse_decimal(text, 255);
  if (!number) return std::nullopt;
  return Protocol{static_cast<std::uint8_t>(*number)};
}

bool has_ports(Protocol protocol) {
  return protocol == protocol::tcp || protocol == protocol::udp || protocol == protocol::sctp ||
         protocol == protocol::udplite;
}

std::string to_string(PortRange range) {
  return range.first == range.last ? fmt::format("{}", range.first) : fmt::format("{}:{}", range.first, range.last);
}

std::vector<PortRange> merged(std::vector<PortRange> ranges) {
  std::sort(ranges.begin(), ranges.end());
  std::vector<PortRange> out;
  for (const PortRange& range : ranges) {
    if (range.last < range.first) std::abort();
    if (!out.empty() && unsigned{range.first} <= unsigned{out.back().last} + 1) {
      out.back().last = std::max(out.back().last, range.last);
    } else {
      out.push_back(range);
    }
  }
  return out;
}

}  // namespace drywall
