// SPDX-License-Identifier: GPL-2.0-or-later
#include "flow/flow_filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <set>

namespace drywall {
namespace {

using Error = std::string;

/// Nothing, or a sentence for the user.
using Outcome = std::optional<Error>;

constexpr std::array all_kinds{PolicyKind::global_network_policy,
                               PolicyKind::network_policy,
                               PolicyKind::kubernetes_network_policy,
                               PolicyKind::cluster_network_policy,
                               PolicyKind::staged_global_network_policy,
                               PolicyKind::staged_network_policy,
                               PolicyKind::staged_kubernetes_network_policy,
                               PolicyKind::profile,
                               PolicyKind::failsafe,
                               PolicyKind::essential};

bool is_kind(std::string_view text) {
  return std::ranges::any_of(all_kinds, [&](PolicyKind kind) { return file_kind(kind) == text; });
}

template <class Number>
std::optional<Number> parse_number(std::string_view digits) {
  Number number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

// --- times

std::optional<std::chrono::microseconds> parse_duration(std::string_view text) {
  if (text.size() < 2) return std::nullopt;
  const auto count = parse_number<std::uint32_t>(text.substr(0, text.size() - 1));
  if (!count) return std::nullopt;
  switch (text.back()) {
    case 's':
      return std::chrono::seconds{*count};
    case 'm':
      return std::chrono::minutes{*count};
    case 'h':
      return std::chrono::hours{*count};
    case 'd':
      return std::chrono::hours{std::uint64_t{24} * *count};
    default:
      return std::nullopt;
  }
}

/// Takes exactly `count` digits and then `follows` (if it is not NUL) off the front.
std::optional<int> take_digits(std::string_view& text, std::size_t count, char follows) {
  const std::size_t taken = count + (follows == '\0' ? 0 : 1);
  if (text.size() < taken || (follows != '\0' && text[count] != follows)) return std::nullopt;
  const std::string_view digits = text.substr(0, count);
  if (!std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  text.remove_prefix(taken);
  return parse_number<int>(digits);
}

std::optional<std::chrono::microseconds> take_fraction(std::string_view& text) {
  if (!text.starts_with('.')) return std::chrono::microseconds{0};
  text.remove_prefix(1);
  std::int64_t micros = 0;
  std::int64_t unit = 100'000;
  std::size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits, unit /= 10) {
    micros += unit * (text[digits] - '0');
  }
  text.remove_prefix(digits);
  return digits == 0 ? std::nullopt : std::optional{std::chrono::microseconds{micros}};
}

std::optional<std::chrono::minutes> take_zone(std::string_view text) {
  if (text == "Z" || text == "z") return std::chrono::minutes{0};
  if (!text.starts_with('+') && !text.starts_with('-')) return std::nullopt;
  const int sign = text.front() == '+' ? 1 : -1;
  text.remove_prefix(1);
  const auto hours = take_digits(text, 2, ':');
  const auto minutes = take_digits(text, 2, '\0');
  if (!hours || !minutes || *hours > 23 || *minutes > 59 || !text.empty()) return std::nullopt;
  return std::chrono::minutes{sign * (*hours * 60 + *minutes)};
}

std::optional<Timestamp> parse_rfc3339(std::string_view text) {
  const auto year = take_digits(text, 4, '-');
  const auto month = take_digits(text, 2, '-');
  const auto day = take_digits(text, 2, text.size() > 2 && text[2] == ' ' ? ' ' : 'T');
  const auto hour = take_digits(text, 2, ':');
  const auto minute = take_digits(text, 2, ':');
  const auto second = take_digits(text, 2, '\0');
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const auto fraction = take_fraction(text);
  const auto zone = take_zone(text);
  const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!fraction || !zone || !date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  return std::chrono::sys_days{date} + std::chrono::hours{*hour} + std::chrono::minutes{*minute} +
         std::chrono::seconds{*second} + *fraction - *zone;
}

Outcome read_time(std::string_view key, std::string_view text, Timestamp now, std::optional<Timestamp>& into) {
  if (const auto duration = parse_duration(text)) {
    into = now - *duration;
  } else if (const auto at = parse_rfc3339(text)) {
    into = *at;
  } else {
    return fmt::format(
        "{} \"{}\" is not a time; write one like 2026-01-31T23:59:59Z, or how long ago: 90s, 15m, 2h, 7d", key, text);
  }
  return std::nullopt;
}

// --- words and numbers

Outcome read_action(std::string_view text, std::optional<Verdict>& into) {
  if (text != "allow" && text != "deny") return fmt::format("action \"{}\" is not possible; write allow or deny", text);
  into = text == "allow" ? Verdict::allow : Verdict::deny;
  return std::nullopt;
}

Outcome read_pending_action(std::string_view text, std::optional<Verdict>& into) {
  const std::string_view word = text.starts_with("would-") ? text.substr(6) : text;
  if (word != "allow" && word != "deny") {
    return fmt::format("pending-action \"{}\" is not possible; write would-allow or would-deny", text);
  }
  into = word == "allow" ? Verdict::allow : Verdict::deny;
  return std::nullopt;
}

Outcome read_differs(std::string_view text, std::optional<bool>& into) {
  if (text != "true" && text != "false")
    return fmt::format("differs \"{}\" is not possible; write true or false", text);
  into = text == "true";
  return std::nullopt;
}

Outcome read_reporter(std::string_view text, std::optional<Reporter>& into) {
  if (text != "src" && text != "dst") return fmt::format("reporter \"{}\" is not possible; write src or dst", text);
  into = text == "src" ? Reporter::source : Reporter::destination;
  return std::nullopt;
}

Outcome read_port(std::string_view text, std::vector<std::uint16_t>& into) {
  const auto port = parse_number<std::uint16_t>(text);
  if (!port) return fmt::format("port \"{}\" is not a port; write a number from 0 to 65535", text);
  into.push_back(*port);
  return std::nullopt;
}

Outcome read_protocol(std::string_view text, std::vector<Protocol>& into) {
  const auto protocol = parse_protocol(text);
  if (!protocol) {
    return fmt::format(
        "protocol \"{}\" is not known; write tcp, udp, icmp, icmpv6, sctp, udplite or a number from 0 to 255", text);
  }
  into.push_back(*protocol);
  return std::nullopt;
}

Outcome read_text(std::string_view key, std::string_view text, std::vector<std::string>& into) {
  if (text.empty()) return fmt::format("{} is empty; write a name", key);
  into.emplace_back(text);
  return std::nullopt;
}

Outcome read_policy(std::string_view text, std::vector<std::string>& into) {
  const auto slashes = std::ranges::count(text, '/');
  const bool has_empty_part =
      text.empty() || text.starts_with('/') || text.ends_with('/') || text.find("//") != std::string_view::npos;
  if (slashes > 2 || has_empty_part) {
    return fmt::format("policy \"{}\" is not a policy; write NAME, NAMESPACE/NAME, KIND/NAME or KIND/NAMESPACE/NAME",
                       text);
  }
  const std::string_view kind = text.substr(0, text.find('/'));
  if (slashes == 2 && !is_kind(kind)) {
    std::vector<std::string_view> kinds;
    for (const PolicyKind each : all_kinds) {
      if (std::ranges::find(kinds, file_kind(each)) == kinds.end()) kinds.push_back(file_kind(each));
    }
    return fmt::format("policy \"{}\": \"{}\" is not a kind; kinds are {}", text, kind, fmt::join(kinds, ", "));
  }
  into.emplace_back(text);
  return std::nullopt;
}

Outcome read_peer(std::string_view key, std::string_view text, std::vector<std::string>& into) {
  const std::string_view before = text.substr(0, text.find('/'));
  if (text.find('/') != std::string_view::npos && parse_address(before) && !parse_prefix(text)) {
    return fmt::format("{} \"{}\" is not a CIDR; write an address, /, and a length that its family has", key, text);
  }
  return read_text(key, text, into);
}

Outcome read_field(std::string_view key, std::string_view text, Timestamp now, FlowFilter& filter) {
  if (key == "since") return read_time(key, text, now, filter.since);
  if (key == "until") return read_time(key, text, now, filter.until);
  if (key == "action") return read_action(text, filter.action);
  if (key == "pending-action") return read_pending_action(text, filter.pending_action);
  if (key == "differs") return read_differs(text, filter.differs);
  if (key == "reporter") return read_reporter(text, filter.reporter);
  if (key == "port") return read_port(text, filter.ports);
  if (key == "protocol") return read_protocol(text, filter.protocols);
  if (key == "policy") return read_policy(text, filter.policies);
  if (key == "tier") return read_text(key, text, filter.tiers);
  if (key == "source") return read_peer(key, text, filter.sources);
  if (key == "destination") return read_peer(key, text, filter.destinations);
  return fmt::format(
      "\"{}\" is not a filter; filters are since, until, action, pending-action, differs, policy, tier, source, "
      "destination, port, protocol and reporter",
      key);
}

bool is_single(std::string_view key) {
  constexpr std::array<std::string_view, 6> single{"since", "until", "action", "pending-action", "differs", "reporter"};
  return std::ranges::find(single, key) != single.end();
}

// --- matching

template <class Value>
bool is_among(const std::vector<Value>& wanted, const Value& value) {
  return wanted.empty() || std::ranges::find(wanted, value) != wanted.end();
}

/// A policy's name may begin with its tier's, and the user may leave that out or write it.
bool is_name_of(const TraceEntry& hit, std::string_view name) {
  const auto is_tiered = [&](std::string_view longer, std::string_view shorter) {
    return longer.size() == hit.tier.size() + 1 + shorter.size() && longer.starts_with(hit.tier) &&
           longer[hit.tier.size()] == '.' && longer.ends_with(shorter);
  };
  return hit.name == name || is_tiered(hit.name, name) || is_tiered(name, hit.name);
}

/// `policy` is [KIND/][NAMESPACE/]NAME.
bool is_policy_of(const TraceEntry& hit, std::string_view policy) {
  const std::size_t slash = policy.rfind('/');
  if (slash == std::string_view::npos) return is_name_of(hit, policy);
  if (!is_name_of(hit, policy.substr(slash + 1))) return false;
  const std::string_view qualifier = policy.substr(0, slash);
  if (const std::size_t second = qualifier.find('/'); second != std::string_view::npos) {
    return file_kind(hit.kind) == qualifier.substr(0, second) && hit.ns == qualifier.substr(second + 1);
  }
  return is_kind(qualifier) ? file_kind(hit.kind) == qualifier : hit.ns == qualifier;
}

template <class Holds>
bool any_hit(const FlowRecord& record, Holds holds) {
  return std::ranges::any_of(record.enforced, holds) || std::ranges::any_of(record.pending, holds);
}

bool contains(const Prefix& prefix, const Address& address) {
  return prefix.base.family == address.family && masked({address, prefix.length}).base == masked(prefix).base;
}

bool is_peer(const FlowPeer& peer, const std::vector<Address>& addresses, const std::string& wanted) {
  if (peer.name == wanted || (!peer.ns.empty() && peer.ns + "/" + peer.name == wanted)) return true;
  if (const auto address = parse_address(wanted)) return std::ranges::find(addresses, *address) != addresses.end();
  const auto prefix = parse_prefix(wanted);
  return prefix && std::ranges::any_of(addresses, [&](const Address& address) { return contains(*prefix, address); });
}

bool is_any_peer(const std::vector<std::string>& wanted, const FlowPeer& peer, const std::vector<Address>& addresses) {
  return wanted.empty() ||
         std::ranges::any_of(wanted, [&](const std::string& each) { return is_peer(peer, addresses, each); });
}

}  // namespace

tl::expected<FlowFilter, std::string> parse_flow_filter(std::span<const std::pair<std::string, std::string>> fields,
                                                        Timestamp now) {
  FlowFilter filter;
  std::set<std::string_view> seen;
  for (const auto& [key, text] : fields) {
    if (!seen.insert(key).second && is_single(key)) {
      return tl::unexpected(fmt::format("{} is given twice; write it once", key));
    }
    if (auto error = read_field(key, text, now, filter)) return tl::unexpected(std::move(*error));
  }
  return filter;
}

bool matches(const FlowFilter& filter, const FlowFacts& facts) {
  if (filter.since && facts.end < *filter.since) return false;
  if (filter.until && facts.start >= *filter.until) return false;
  if (filter.action && facts.action != *filter.action) return false;
  if (filter.pending_action && facts.pending_action != *filter.pending_action) return false;
  if (filter.differs && (facts.action != facts.pending_action) != *filter.differs) return false;
  if (filter.reporter && facts.reporter != *filter.reporter) return false;
  return is_among(filter.ports, facts.destination_port) && is_among(filter.protocols, facts.protocol);
}

bool matches(const FlowFilter& filter, const FlowRecord& record) {
  const FlowFacts facts{record.start,    record.end,     record.action, record.pending_action, record.destination_port,
                        record.protocol, record.reporter};
  if (!matches(filter, facts)) return false;
  const auto is_wanted_policy = [&](const TraceEntry& hit) {
    return std::ranges::any_of(filter.policies, [&](const std::string& policy) { return is_policy_of(hit, policy); });
  };
  const auto is_wanted_tier = [&](const TraceEntry& hit) { return is_among(filter.tiers, hit.tier); };
  if (!filter.policies.empty() && !any_hit(record, is_wanted_policy)) return false;
  if (!filter.tiers.empty() && !any_hit(record, is_wanted_tier)) return false;
  return is_any_peer(filter.sources, record.source, record.source_addresses) &&
         is_any_peer(filter.destinations, record.destination, record.destination_addresses);
}

std::string to_rfc3339(Timestamp at) {
  const auto days = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date{days};
  const std::chrono::hh_mm_ss time{std::chrono::floor<std::chrono::milliseconds>(at - days)};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), time.hours().count(),
                     time.minutes().count(), time.seconds().count(), time.subseconds().count());
}

}  // namespace drywall
