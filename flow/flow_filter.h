// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "flow/flow_record.h"

namespace drywall {

/// What a record says beside names: enough to rule most records out without making them.
struct FlowFacts {
  Timestamp start;
  Timestamp end;
  Verdict action = Verdict::allow;
  Verdict pending_action = Verdict::allow;
  std::uint16_t destination_port = 0;
  Protocol protocol;
  Reporter reporter = Reporter::destination;
};

/// Which records to show. Different fields must all hold; several values of one field are alternatives.
struct FlowFilter {
  std::optional<Timestamp> since;  // records that end at or after
  std::optional<Timestamp> until;  // records that start before
  std::optional<Verdict> action;
  std::optional<Verdict> pending_action;
  std::optional<bool> differs;
  std::vector<std::string>
      policies;  // [KIND/][NAMESPACE/]NAME, of any hit of either trace; NAME and TIER.NAME are the same
  std::vector<std::string> tiers;    // of any hit of either trace
  std::vector<std::string> sources;  // name, namespace/name, address or CIDR (of the record's sample of addresses)
  std::vector<std::string> destinations;
  std::vector<std::uint16_t> ports;
  std::vector<Protocol> protocols;
  std::optional<Reporter> reporter;
  bool operator==(const FlowFilter&) const = default;
};

/// From (key, value) texts as the CLI's options and the bus have them: since, until (RFC 3339, or a duration before
/// `now` such as 90s, 15m, 2h, 7d), action (allow|deny), pending-action (would-allow|would-deny, or allow|deny),
/// differs (true|false), policy, tier, source, destination, port, protocol, reporter (src|dst). policy, tier, source,
/// destination, port and protocol may be given several times.
///   errors  a sentence for the user: which key, what came, what is possible
[[nodiscard]] tl::expected<FlowFilter, std::string> parse_flow_filter(
    std::span<const std::pair<std::string, std::string>> fields, Timestamp now);

[[nodiscard]] bool matches(const FlowFilter& filter, const FlowRecord& record);
/// False only if no record with these facts matches.
[[nodiscard]] bool matches(const FlowFilter& filter, const FlowFacts& facts);

/// RFC 3339 in UTC with milliseconds: 2026-01-31T23:59:59.123Z.
[[nodiscard]] std::string to_rfc3339(Timestamp at);

}  // namespace drywall
