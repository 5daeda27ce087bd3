// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/classifier.h"

#include <algorithm>
#include <bit>
#include <optional>

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
  return (address != nullptr && address->side == side) ||
         (side == Side::source && std::holds_alternative<FamilyIs>(predicate));
}

/// A criterion that protocol, destination port and ICMP type and code decide.
bool is_of_header(const Predicate& predicate) {
  const auto* port = std::get_if<PortIn>(&predicate);
  return std::holds_alternative<ProtocolIs>(predicate) || std::holds_alternative<IcmpIs>(predicate) ||
         (port != nullptr && port->side == Side::destination && !port->endpoint_ports);
}

bool is_indexed(const Predicate& predicate) {
  return is_of_header(predicate) || is_of_address(predicate, Side::source) ||
         is_of_address(predicate, Side::destination);
}

/// The protocol and single ports that a rule demands, if its header criteria are exactly these.
struct DemandedPorts {
  Protocol protocol;
  const std::vector<PortRange>* ports;
};
std::optional<DemandedPorts> demanded_ports(const PlannedRule& rule) {
  const ProtocolIs* protocol = nullptr;
  const PortIn* ports = nullptr;
  for (const Predicate& predicate : rule.all_of) {
    if (!is_of_header(predicate)) continue;
    if (const auto* p = std::get_if<ProtocolIs>(&predicate);
        p != nullptr && protocol == nullptr && p->sense == Sense::is) {
      protocol = p;
    } else if (const auto* q = std::get_if<PortIn>(&predicate);
               q != nullptr && ports == nullptr && q->sense == Sense::is) {
      ports = q;
    } else {
      return std::nullopt;
    }
  }
  if (protocol == nullptr || ports == nullptr) return std::nullopt;
  const bool single = std::ranges::all_of(ports->ranges, [](PortRange range) { return range.first == range.last; });
  if (!single) return std::nullopt;
  return DemandedPorts{protocol->protocol, &ports->ranges};
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

std::size_t Classifier::AddressHash::operator()(const Address& address) const {
  return static_cast<std::size_t>((address.high * 0x9e3779b97f4a7c15U) ^ (address.low * 0xc2b2ae3d27d4eb4fU));
}

Classifier::Classifier(const Plan& plan) : plan_(plan) {
  for (const Direction direction : {Direction::ingress, Direction::egress}) {
    Rules& rules = rules_[static_cast<std::size_t>(direction)];
    number(rules, direction);
    index_ports(rules);
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

void Classifier::index_ports(Rules& rules) {
  rules.unindexed.assign(rules.words(), 0);
  rules.only_by_port.assign(rules.words(), 0);
  for (std::uint32_t bit = 0; bit < rules.rules.size(); ++bit) {
    const PlannedRule& rule = *rules.rules[bit];
    if (!std::ranges::all_of(rule.all_of, is_indexed)) set_bit(rules.unindexed, bit);
    if (const auto demanded = demanded_ports(rule)) {
      set_bit(rules.only_by_port, bit);
      for (const PortRange& port : *demanded->ports)
        rules.by_port[port_key(demanded->protocol, port.first)].push_back(bit);
      continue;
    }
    for (const Predicate& predicate : rule.all_of) {
      const auto* ports = std::get_if<PortIn>(&predicate);
      if (ports == nullptr || ports->side != Side::destination) continue;
      for (const PortRange& range : ports->ranges) {
        rules.port_bounds.push_back(range.first);
        if (range.last != 65535) rules.port_bounds.push_back(static_cast<std::uint16_t>(range.last + 1));
      }
    }
  }
  std::ranges::sort(rules.port_bounds);
  rules.port_bounds.erase(std::unique(rules.port_bounds.begin(), rules.port_bounds.end()), rules.port_bounds.end());
}

const Classifier::Row& Classifier::address_row(Rules& rules, AddressRows& rows, Side side, const Address& address) {
  const auto [place, is_new] = rows.try_emplace(address);
  if (!is_new) return place->second;
  Row& row = place->second;
  row.assign(rules.words(), 0);
  kept_words_ += row.size();
  Packet packet;
  packet.source = packet.destination = address;
  // Many rules name few sets: each set is asked once.
  std::unordered_map<SetIndex, bool> member;
  const auto holds = [&](const Predicate& predicate) {
    const auto* in = std::get_if<AddressIn>(&predicate);
    if (in == nullptr) return matches(plan_, predicate, packet);
    const auto [known, unknown] = member.try_emplace(in->set, false);
    if (unknown) known->second = std::get<AddressSet>(plan_.sets[in->set].members).contains(address);
    return known->second == (in->sense == Sense::is);
  };
  for (std::size_t bit = 0; bit < rules.rules.size(); ++bit) {
    const auto& all_of = rules.rules[bit]->all_of;
    if (std::ranges::all_of(all_of, [&](const Predicate& p) { return !is_of_address(p, side) || holds(p); }))
      set_bit(row, bit);
  }
  return row;
}

const Classifier::Row& Classifier::header_row(Rules& rules, const Packet& packet) {
  std::uint64_t key = std::uint64_t{packet.protocol.number} << 32U;
  if (has_ports(packet.protocol)) {
    const auto above = std::ranges::upper_bound(rules.port_bounds, packet.destination_port);
    key |= static_cast<std::uint64_t>(above - rules.port_bounds.begin());
  } else {
    key |= std::uint64_t{packet.icmp_type} << 8U | packet.icmp_code;
  }
  const auto [place, is_new] = rules.header_rows.try_emplace(key);
  if (!is_new) return place->second;
  Row& row = place->second;
  row.assign(rules.words(), 0);
  kept_words_ += row.size();
  for (std::size_t bit = 0; bit < rules.rules.size(); ++bit) {
    if ((rules.only_by_port[bit / 64] >> bit % 64 & 1U) != 0) continue;
    const auto& all_of = rules.rules[bit]->all_of;
    if (std::ranges::all_of(all_of,
                            [&](const Predicate& p) { return !is_of_header(p) || matches(plan_, p, packet); })) {
      set_bit(row, bit);
    }
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
    rules.header_rows.clear();
    rules.source_rows.clear();
    rules.destination_rows.clear();
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
  const auto exact = has_ports(packet.protocol) ? rules.by_port.find(port_key(packet.protocol, packet.destination_port))
                                                : rules.by_port.end();
  const Query query{rules,
                    packet,
                    address_row(rules, rules.source_rows, Side::source, packet.source),
                    address_row(rules, rules.destination_rows, Side::destination, packet.destination),
                    header_row(rules, packet),
                    *row_of_leg,
                    exact == rules.by_port.end() ? nullptr : &exact->second};
  return drywall::evaluate(plan_, leg, packet, [&](const PlannedTier& tier) -> std::optional<PolicyHit> {
    PolicyIndex policy = 0;
    const PlannedRule* rule = first_match(query, tier, policy);
    if (rule == nullptr) return std::nullopt;
    return PolicyHit{&plan_.policies[policy], rule};
  });
}

}  // namespace drywall
