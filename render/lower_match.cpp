// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/lower_match.h"

#include <algorithm>

#include "policy/result.h"
#include "render/bytes.h"

namespace drywall {
namespace {

using Alternatives = std::vector<std::vector<Match>>;

const Alternatives always{{}};
const Alternatives never{};

Compare compare(Sense sense) {
  return sense == Sense::is ? Compare::equal : Compare::not_equal;
}

Field address_field(Side side) {
  return side == Side::source ? Field::source_address : Field::destination_address;
}
Field port_field(Side side) {
  return side == Side::source ? Field::source_port : Field::destination_port;
}

/// The protocols whose ports can have names, hence the only ones in a set of endpoints' ports.
constexpr std::array named_port_protocols{protocol::tcp, protocol::udp, protocol::sctp};

bool demands_protocol_with_ports(const std::vector<Predicate>& predicates) {
  return std::ranges::any_of(predicates, [](const Predicate& predicate) {
    const auto* criterion = std::get_if<ProtocolIs>(&predicate);
    return criterion != nullptr && criterion->sense == Sense::is && has_ports(criterion->protocol);
  });
}

class Lowering {
 public:
  Lowering(const Plan& plan, const std::vector<Predicate>& predicates, Family family, SetPool& sets)
      : plan_(plan), predicates_(predicates), family_(family), sets_(sets) {}

  Alternatives run() {
    Alternatives all = always;
    for (const Predicate& predicate : predicates_) all = both(all, lower(predicate));
    return all;
  }

 private:
  static Alternatives both(const Alternatives& left, const Alternatives& right) {
    Alternatives product;
    for (const auto& a : left) {
      for (const auto& b : right) {
        product.push_back(a);
        product.back().insert(product.back().end(), b.begin(), b.end());
      }
    }
    return product;
  }

  Alternatives lower(const Predicate& predicate) {
    return std::visit(
        overloaded{
            [&](const FamilyIs& p) { return p.family == family_ ? always : never; },
            [&](const ProtocolIs& p) {
              return Alternatives{{FieldIs{Field::l4_protocol, compare(p.sense), {}, {p.protocol.number}}}};
            },
            [&](const AddressIn& p) { return addresses(p); },
            [&](const PortIn& p) { return p.sense == Sense::is ? port_is_in(p) : port_is_not_in(p); },
            [&](const IcmpIs& p) { return icmp(p); },
        },
        predicate);
  }

  Alternatives addresses(const AddressIn& criterion) {
    const PlannedSet& set = plan_.sets[criterion.set];
    const auto& addresses = std::get<AddressSet>(set.members);
    const Field field = address_field(criterion.side);
    if (!addresses.has(family_)) return criterion.sense == Sense::is ? never : always;
    if (set.definition.starts_with("nets ")) {
      const std::vector<AddressRange> ranges = addresses.ranges(family_);
      const std::vector<Prefix> prefixes = ranges.size() == 1 ? prefixes_of(ranges.front()) : std::vector<Prefix>{};
      if (prefixes.size() == 1) return prefix(field, prefixes.front(), criterion.sense);
    }
    return {{FieldIn{{field}, sets_.planned(criterion.set), criterion.sense}}};
  }

  Alternatives prefix(Field field, const Prefix& block, Sense sense) const {
    if (block.length == 0) return sense == Sense::is ? always : never;
    const bool whole = block.length == bits_of(family_);
    return {{FieldIs{field, compare(sense), whole ? Bytes{} : netmask(family_, block.length), bytes_of(block.base)}}};
  }

  Alternatives port_is_in(const PortIn& criterion) {
    Alternatives either;
    if (!criterion.ranges.empty()) either.push_back(port_ranges(criterion));
    if (criterion.endpoint_ports) either.push_back({endpoint_ports(criterion)});
    return either;
  }

  std::vector<Match> port_ranges(const PortIn& criterion) {
    const Field field = port_field(criterion.side);
    const PortRange& range = criterion.ranges.front();
    const bool negated = criterion.sense == Sense::is_not;
    if (criterion.ranges.size() > 1 || (negated && range.first != range.last)) {
      return {FieldIn{{field}, sets_.ports(criterion.ranges), criterion.sense}};
    }
    if (range.first == range.last) return {FieldIs{field, compare(criterion.sense), {}, bytes_of(range.first)}};
    return {FieldIs{field, Compare::at_least, {}, bytes_of(range.first)},
            FieldIs{field, Compare::at_most, {}, bytes_of(range.last)}};
  }

  Match endpoint_ports(const PortIn& criterion) {
    return FieldIn{{address_field(criterion.side), Field::l4_protocol, port_field(criterion.side)},
                   sets_.planned(*criterion.endpoint_ports),
                   criterion.sense};
  }

  Alternatives port_is_not_in(const PortIn& criterion) {
    std::vector<Match> neither;
    if (!criterion.ranges.empty()) neither = port_ranges(criterion);
    if (!criterion.endpoint_ports) return {neither};
    neither.push_back(endpoint_ports(criterion));
    if (demands_protocol_with_ports(predicates_)) return {neither};
    return for_any_protocol(neither);
  }

  /// A port may be read only of a protocol that has ports: the others match without a look.
  static Alternatives for_any_protocol(const std::vector<Match>& with_ports) {
    Alternatives either;
    std::vector<Match> without_ports;
    for (const Protocol protocol : named_port_protocols) {
      either.push_back({FieldIs{Field::l4_protocol, Compare::equal, {}, {protocol.number}}});
      either.back().insert(either.back().end(), with_ports.begin(), with_ports.end());
      without_ports.push_back(FieldIs{Field::l4_protocol, Compare::not_equal, {}, {protocol.number}});
    }
    either.push_back(without_ports);
    return either;
  }

  static Alternatives icmp(const IcmpIs& criterion) {
    if (!criterion.code) return {{FieldIs{Field::icmp_type, compare(criterion.sense), {}, {criterion.type}}}};
    return {{FieldIs{Field::icmp_type_and_code, compare(criterion.sense), {}, {criterion.type, *criterion.code}}}};
  }

  const Plan& plan_;
  const std::vector<Predicate>& predicates_;
  Family family_;
  SetPool& sets_;
};

}  // namespace

std::vector<std::vector<Match>> lower_match(const Plan& plan, const std::vector<Predicate>& predicates, Family family,
                                            SetPool& sets) {
  return Lowering(plan, predicates, family, sets).run();
}

}  // namespace drywall
