// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/classifier.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <set>

namespace drywall {
namespace {

constexpr std::size_t most_kept_words = 8U << 20U;  // 64 MiB of rows

void set_bit(std::vector<std::uint64_t>& row, std::size_t bit) {
  row[bit / 64] |= std::uint64_t{1} << bit % 64;
}

std::uint32_t port_key(Protocol protocol, std::uint16_t port) {
  return std::uint32_t{protocol.number} << 16U | port;
}

/// A criterion that the row of an address decides.
bool is_of_address(const Predicate& predicate, Side side) {
  const auto* address = std::get_if<AddressIn>(&predicate);
  return address != nullptr && address->side == side;
}

/// A criterion that protocol, destination port and ICMP type and code decide.
bool is_of_header(const Predicate& predicate) {
  const auto* port = std::get_if<PortIn>(&predicate);
  return std::holds_alternative<ProtocolIs>(predicate) || std::holds_alternative<IcmpIs>(predicate) ||
         (port != nullptr && port->side == Side::destination && !port->endpoint_ports);
}

bool is_indexed(const Predicate& predicate) {
  return std::holds_alternative<FamilyIs>(predicate) || std::holds_alternative<AddressIn>(predicate) ||
         is_of_header(predicate);
}

/// The criteria of a rule that one row decides.
template <class Decides>
std::vector<const Predicate*> criteria(const PlannedRule& rule, Decides decides) {
  std::vector<const Predicate*> found;
  for (const Predicate& predicate : rule.all_of) {
    if (decides(predicate)) found.push_back(&predicate);
  }
  return found;
}

bool in_order_of_plan(const PlannedLeg& leg) {
  std::optional<PolicyIndex> last;
  for (const PlannedTier& tier : leg.tiers) {
    for (const PolicyIndex policy : tier.policies) {
      if (last && policy <= *last) return false;
      last = policy;
    }
  }
  return true;
}

}  // namespace

/// The rows of one packet, all as long as the direction has rules.
struct Classifier::Query {
  const Rules& rules;
  const Packet& packet;
  const Row& source;
  const Row& destination;
  const Row& header;
  const Row& leg;
  const std::vector<std::uint32_t>* by_port;  // ascending; nullptr: none
};

Classifier::Classifier(const Plan& plan) : plan_(plan) {
  for (const Direction direction : {Direction::ingress, Direction::egress}) {
    Rules& rules = rules_[static_cast<std::size_t>(direction)];
    number(rules, direction);
    for (Row* row : {&rules.unindexed, &rules.of_family[0], &rules.of_family[1], &rules.source.indifferent,
                     &rules.destination.indifferent, &rules.header.indifferent}) {
      row->assign(rules.words(), 0);
    }
    for (std::uint32_t bit = 0; bit < rules.rules.size(); ++bit) index_rule(rules, bit);
    index_bounds(rules, rules.source, Side::source);
    index_bounds(rules, rules.destination, Side::destination);
    std::ranges::sort(rules.header.bounds);
    const auto end = std::unique(rules.header.bounds.begin(), rules.header.bounds.end());
    rules.header.bounds.erase(end, rules.header.bounds.end());
  }
}

Classifier::~Classifier() = default;

void Classifier::number(Rules& rules, Direction direction) {
  for (PolicyIndex policy = 0; policy < plan_.policies.size(); ++policy) {
    rules.first_bit.push_back(static_cast<std::uint32_t>(rules.rules.size()));
    if (plan_.policies[policy].direction != direction) continue;
    for (const PlannedRule& rule : plan_.policies[policy].rules) {
      if (rule.action == Action::log) continue;
      rules.rules.push_back(&rule);
      rules.policies.push_back(policy);
    }
  }
  rules.first_bit.push_back(static_cast<std::uint32_t>(rules.rules.size()));
}

void Classifier::index_rule(Rules& rules, std::uint32_t bit) {
  const PlannedRule& rule = *rules.rules[bit];
  if (!std::ranges::all_of(rule.all_of, is_indexed)) set_bit(rules.unindexed, bit);
  for (const Family family : both_families) {
    const bool possible = std::ranges::all_of(rule.all_of, [&](const Predicate& predicate) {
      const auto* demanded = std::get_if<FamilyIs>(&predicate);
      return demanded == nullptr || demanded->family == family;
    });
    if (possible) set_bit(rules.of_family[static_cast<std::size_t>(family)], bit);
  }
  index_address(rules.source, rule, Side::source, bit);
  index_address(rules.destination, rule, Side::destination, bit);
  index_header(rules.header, rule, bit);
}

void Classifier::index_address(AddressIndex& index, const PlannedRule& rule, Side side, std::uint32_t bit) const {
  const auto demands = criteria(rule, [&](const Predicate& predicate) { return is_of_address(predicate, side); });
  if (demands.empty()) return set_bit(index.indifferent, bit);
  const auto& first = std::get<AddressIn>(*demands.front());
  if (demands.size() == 1 && first.sense == Sense::is) {
    index.by_set[first.set].push_back(bit);
  } else {
    index.others.push_back(bit);
  }
}

void Classifier::index_bounds(Rules& rules, AddressIndex& index, Side side) const {
  std::set<SetIndex> sets;
  for (const auto& [set, bits] : index.by_set) sets.insert(set);
  for (const std::uint32_t bit : index.others) {
    for (const Predicate& predicate : rules.rules[bit]->all_of) {
      if (is_of_address(predicate, side)) sets.insert(std::get<AddressIn>(predicate).set);
    }
  }
  index.bounds.push_back({Family::v6, 0, 0});
  for (const SetIndex set : sets) {
    for (const AddressRange& range : std::get<AddressSet>(plan_.sets[set].members).ranges()) {
      index.bounds.push_back(range.first);
      const Address behind = next(range.last);
      if (range.last < behind) index.bounds.push_back(behind);  // not round the end of the family
    }
  }
  std::ranges::sort(index.bounds);
  index.bounds.erase(std::unique(index.bounds.begin(), index.bounds.end()), index.bounds.end());
}

void Classifier::index_header(HeaderIndex& index, const PlannedRule& rule, std::uint32_t bit) {
  const auto demands = criteria(rule, is_of_header);
  if (demands.empty()) return set_bit(index.indifferent, bit);
  const auto* protocol = std::get_if<ProtocolIs>(demands.front());
  const bool demands_protocol = protocol != nullptr && protocol->sense == Sense::is;
  const auto* ports = demands.size() == 2 ? std::get_if<PortIn>(demands.back()) : nullptr;
  if (demands_protocol && demands.size() == 1) {
    index.by_protocol[protocol->protocol.number].push_back(bit);
  } else if (demands_protocol && ports != nullptr && ports->sense == Sense::is) {
    index_ports(index, protocol->protocol, *ports, bit);
  } else {
    index.others.push_back(bit);
    for (const Predicate* demand : demands) {
      const auto* others = std::get_if<PortIn>(demand);
      if (others == nullptr) continue;
      for (const PortRange& range : others->ranges) add_bounds(index, range);
    }
  }
}

void Classifier::add_bounds(HeaderIndex& index, PortRange range) {
  index.bounds.push_back(range.first);
  if (range.last != 65535) index.bounds.push_back(static_cast<std::uint16_t>(range.last + 1));
}

void Classifier::index_ports(HeaderIndex& index, Protocol protocol, const PortIn& ports, std::uint32_t bit) {
  for (const PortRange& range : ports.ranges) {
    if (range.first == range.last) {
      index.by_port[port_key(protocol, range.first)].push_back(bit);
      continue;
    }
    index.spans[protocol.number].push_back({range, bit});
    add_bounds(index, range);
  }
}

const Classifier::Row& Classifier::address_row(const Rules& rules, AddressIndex& index, const Address& address) {
  const auto above = std::ranges::upper_bound(index.bounds, address);
  const auto [place, is_new] = index.rows.try_emplace(static_cast<std::size_t>(above - index.bounds.begin()));
  if (!is_new) return place->second;
  Row& row = place->second;
  row = index.indifferent;
  kept_words_ += row.size();
  for (const auto& [set, bits] : index.by_set) {
    if (!std::get<AddressSet>(plan_.sets[set].members).contains(address)) continue;
    for (const std::uint32_t bit : bits) set_bit(row, bit);
  }
  const Side side = &index == &rules.source ? Side::source : Side::destination;
  Packet packet;
  packet.source = packet.destination = address;
  for (const std::uint32_t bit : index.others) {
    const auto holds = [&](const Predicate& p) { return !is_of_address(p, side) || matches(plan_, p, packet); };
    if (std::ranges::all_of(rules.rules[bit]->all_of, holds)) set_bit(row, bit);
  }
  const Row& of_family = rules.of_family[static_cast<std::size_t>(address.family)];
  for (std::size_t word = 0; word < row.size(); ++word) row[word] &= of_family[word];
  return row;
}

const Classifier::Row& Classifier::header_row(Rules& rules, const Packet& packet) {
  HeaderIndex& index = rules.header;
  std::uint64_t key = std::uint64_t{packet.protocol.number} << 32U;
  if (has_ports(packet.protocol)) {
    const auto above = std::ranges::upper_bound(index.bounds, packet.destination_port);
    key |= static_cast<std::uint64_t>(above - index.bounds.begin());
  } else {
    key |= std::uint64_t{packet.icmp_type} << 8U | packet.icmp_code;
  }
  const auto [place, is_new] = index.rows.try_emplace(key);
  if (!is_new) return place->second;
  Row& row = place->second;
  row = index.indifferent;
  kept_words_ += row.size();
  for (const std::uint32_t bit : index.by_protocol[packet.protocol.number]) set_bit(row, bit);
  for (const HeaderIndex::Span& span : index.spans[packet.protocol.number]) {
    if (span.ports.first <= packet.destination_port && packet.destination_port <= span.ports.last)
      set_bit(row, span.bit);
  }
  for (const std::uint32_t bit : index.others) {
    const auto holds = [&](const Predicate& p) { return !is_of_header(p) || matches(plan_, p, packet); };
    if (std::ranges::all_of(rules.rules[bit]->all_of, holds)) set_bit(row, bit);
  }
  return row;
}

const std::optional<Classifier::Row>& Classifier::leg_row(Rules& rules, const PlannedLeg& leg) {
  const auto [place, is_new] = rules.leg_rows.try_emplace(&leg);
  if (!is_new || !in_order_of_plan(leg)) return place->second;
  Row& row = place->second.emplace(rules.words(), 0);
  kept_words_ += row.size();
  for (const PlannedTier& tier : leg.tiers) {
    for (const PolicyIndex policy : tier.policies) {
      for (std::uint32_t bit = rules.first_bit[policy]; bit < rules.first_bit[policy + 1]; ++bit) set_bit(row, bit);
    }
  }
  return place->second;
}

void Classifier::keep_within_bound() {
  if (kept_words_ <= most_kept_words) return;
  for (Rules& rules : rules_) {
    rules.header.rows.clear();
    rules.source.rows.clear();
    rules.destination.rows.clear();
    rules.leg_rows.clear();
  }
  kept_words_ = 0;
}

const PlannedRule* Classifier::first_match(const Query& query, const PlannedTier& tier, PolicyIndex& policy) const {
  const Rules& rules = query.rules;
  const std::size_t begin = rules.first_bit[tier.policies.front()];
  const std::size_t end = rules.first_bit[tier.policies.back() + 1];
  const std::vector<std::uint32_t> none;
  const auto& exact = query.by_port == nullptr ? none : *query.by_port;
  auto next_exact = std::ranges::lower_bound(exact, begin);
  for (std::size_t word = begin / 64; word * 64 < end; ++word) {
    std::uint64_t header = query.header[word];
    for (; next_exact != exact.end() && *next_exact / 64 == word; ++next_exact)
      header |= std::uint64_t{1} << *next_exact % 64;
    std::uint64_t common = header & query.source[word] & query.destination[word] & query.leg[word];
    for (; common != 0; common &= common - 1) {
      const std::size_t bit = word * 64 + static_cast<std::size_t>(std::countr_zero(common));
      if (bit < begin) continue;
      if (bit >= end) return nullptr;
      const PlannedRule& rule = *rules.rules[bit];
      const bool certain = (rules.unindexed[word] >> bit % 64 & 1U) == 0;
      if (certain ||
          std::ranges::all_of(rule.all_of, [&](const Predicate& p) { return matches(plan_, p, query.packet); })) {
        policy = rules.policies[bit];
        return &rule;
      }
    }
  }
  return nullptr;
}

Decision Classifier::evaluate(const PlannedLeg& leg, const Packet& packet) {
  keep_within_bound();
  Rules& rules = rules_[static_cast<std::size_t>(leg.direction)];
  const std::optional<Row>& row_of_leg = leg_row(rules, leg);
  if (!row_of_leg) return drywall::evaluate(plan_, leg, packet);
  const auto exact = rules.header.by_port.find(port_key(packet.protocol, packet.destination_port));
  const Query query{rules,
                    packet,
                    address_row(rules, rules.source, packet.source),
                    address_row(rules, rules.destination, packet.destination),
                    header_row(rules, packet),
                    *row_of_leg,
                    exact == rules.header.by_port.end() ? nullptr : &exact->second};
  return drywall::evaluate(plan_, leg, packet, [&](const PlannedTier& tier) -> std::optional<PolicyHit> {
    PolicyIndex policy = 0;
    const PlannedRule* rule = first_match(query, tier, policy);
    if (rule == nullptr) return std::nullopt;
    return PolicyHit{&plan_.policies[policy], rule};
  });
}

}  // namespace drywall
