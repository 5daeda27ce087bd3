// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/path.h"
#include "tests/differential/crafted_packet.h"

namespace drywall::test {

/// What comes after a connection's first packet: the same again; an answer; an ICMP error about it from where it went.
enum class Sequel : std::uint8_t { repeat, reply, error };

/// A packet, how it meets the host of tests/differential/test_network.h, and what follows it.
struct Journey {
  std::string in;   // the link by which it comes; empty: the host sends it
  Crafted crafted;  // as it is sent, before any DNAT
  std::vector<Sequel> sequels;
  bool operator==(const Journey&) const = default;
};

/// One line, for people and for parse_journey.
[[nodiscard]] std::string to_string(const Journey& journey);
/// Nothing if the line is not one that to_string() writes.
[[nodiscard]] std::optional<Journey> parse_journey(std::string_view line);

/// Journeys to try instead of one that went wrong: without a sequel, in a plain form.
[[nodiscard]] std::vector<Journey> simpler(const Journey& journey);

/// What connection tracking makes of a packet: of a new connection; of a known one in its first direction; in the other
/// one, or an ICMP error about it; nothing that it follows; nothing that can be.
enum class Tracking : std::uint8_t { fresh, known, answer, untracked, invalid };
/// Of no known connection.
///   source  net/netfilter/nf_conntrack_proto_{tcp,icmp,icmpv6}.c
[[nodiscard]] Tracking tracking_of(const Crafted& crafted);

/// The way of a packet through the host. An empty out_interface: to the host itself; "lo": from the host to itself.
///   translates  if the host's DNAT rules apply: not to untracked and invalid packets
enum class Translates : std::uint8_t { no, yes };
[[nodiscard]] Passage passage_of(const Journey& journey, Translates translates);

/// A packet of the other direction, as it answers this one.
[[nodiscard]] Packet turned_round(const Packet& packet);
/// The one packet of a sequel, from where it is sent.
///   passage  of the first packet
[[nodiscard]] Journey journey_of(Sequel sequel, const Journey& first, const Passage& passage);

}  // namespace drywall::test
