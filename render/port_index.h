// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "render/bytes.h"
#include "render/chain_pool.h"
#include "render/port_map.h"
#include "render/ruleset.h"

namespace drywall {

/// A rule and the number that stands for it as long as it is used again.
template <Stance S>
struct NumberedRule {
  const NftRule<S>* rule;
  std::uint64_t number;
};

/// Asks the rules of a tier in their order, but only those that a packet's protocol and destination port leave in
/// question: one lookup leads to a chain of the rules for that port and, among them in their places, those that do not
/// depend on one. So the cost of a packet does not grow with the policies for other ports.
template <Stance S>
class PortIndex {
 public:
  /// The rules that do the same as `rules`; nothing if that would be no better, or too large.
  ///   rules   each ends by goto or goes on; the last ends whatever the packet
  ///   name    of the chain that they are for: other chains and the map are named after it
  ///   fewest  rules with a port that are worth a lookup
  static std::optional<std::vector<NftRule<S>>> index(ChainPool<S>& chains, const std::string& name,
                                                      const std::vector<NumberedRule<S>>& rules, std::size_t fewest) {
    PortIndex index(rules);
    if (index.with_port_ < fewest || !index.choose()) return std::nullopt;
    return index.build(chains, name);
  }

 private:
  struct Port {
    std::uint8_t protocol;
    std::uint16_t number;
    auto operator<=>(const Port&) const = default;
  };
  enum class Answer : std::uint8_t { yes, no, open };
  using Positions = std::vector<std::uint32_t>;  // among the rules, ascending

  explicit PortIndex(const std::vector<NumberedRule<S>>& rules) : rules_(rules) {
    for (std::uint32_t position = 0; position < rules.size(); ++position) {
      if (const auto port = port_of(*rules[position].rule)) {
        ports_[*port].push_back(position);
        ++with_port_;
      } else if (const auto protocol = protocol_of(*rules[position].rule)) {
        by_protocol_[*protocol].push_back(position);
      } else {
        others_.push_back(position);
      }
    }
  }

  /// Leaves each port the rules that it asks. False if they are too many.
  bool choose() {
    const std::size_t most = 4 * rules_.size() + 256;
    std::size_t all = 0;
    for (auto& [port, own] : ports_) {
      own = asked_by(port, own);
      all += own.size();
      if (all > most) return false;
    }
    return true;
  }

  static std::optional<Port> port_of(const NftRule<S>& rule) {
    const FieldIs* protocol = nullptr;
    const FieldIs* port = nullptr;
    for (const Match& match : rule.matches) {
      if (const auto* found = exactly(match, Field::l4_protocol)) protocol = found;
      if (const auto* found = exactly(match, Field::destination_port)) port = found;
    }
    if (protocol == nullptr || port == nullptr) return std::nullopt;
    return Port{protocol->value[0], port_number(port->value)};
  }

  static std::optional<std::uint8_t> protocol_of(const NftRule<S>& rule) {
    for (const Match& match : rule.matches) {
      if (const auto* found = exactly(match, Field::l4_protocol)) return found->value[0];
    }
    return std::nullopt;
  }

  static Answer compared(Compare compare, unsigned packet, unsigned value) {
    const bool holds = compare == Compare::equal       ? packet == value
                       : compare == Compare::not_equal ? packet != value
                       : compare == Compare::at_least  ? packet >= value
                                                       : packet <= value;
    return holds ? Answer::yes : Answer::no;
  }

  /// What a match says of every packet of that protocol and port.
  static Answer answer(const Match& match, const Port& port) {
    const auto* asked = std::get_if<FieldIs>(&match);
    if (asked == nullptr || !asked->mask.empty()) return Answer::open;
    if (asked->field == Field::l4_protocol) return compared(asked->compare, port.protocol, asked->value[0]);
    if (asked->field == Field::destination_port)
      return compared(asked->compare, port.number, port_number(asked->value));
    return Answer::open;
  }

  /// Of the rules for that port and those for no certain one: in their order, up to the first that ends every such
  /// packet's way.
  Positions asked_by(const Port& port, const Positions& own) const {
    Positions candidates;
    Positions of_no_port;
    const auto same_protocol = by_protocol_.find(port.protocol);
    std::ranges::merge(others_, same_protocol == by_protocol_.end() ? Positions{} : same_protocol->second,
                       std::back_inserter(of_no_port));
    std::ranges::merge(own, of_no_port, std::back_inserter(candidates));
    Positions asked;
    for (const std::uint32_t position : candidates) {
      const NftRule<S>& rule = *rules_[position].rule;
      bool always = true;
      bool never = false;
      for (const Match& match : rule.matches) {
        const Answer known = answer(match, port);
        always = always && known == Answer::yes;
        never = never || known == Answer::no;
      }
      if (never) continue;
      asked.push_back(position);
      if (always && !std::holds_alternative<Continue>(rule.end)) break;
    }
    return asked;
  }

  /// The rules without what is known already.
  std::vector<NftRule<S>> rules_for(const Port& port, const Positions& asked) const {
    std::vector<NftRule<S>> own;
    own.reserve(asked.size());
    for (const std::uint32_t position : asked) {
      own.push_back(*rules_[position].rule);
      std::erase_if(own.back().matches, [&](const Match& match) { return answer(match, port) == Answer::yes; });
    }
    return own;
  }

  std::vector<NftRule<S>> build(ChainPool<S>& chains, const std::string& name) {
    VerdictMap<S> map{name + "-ports", {Field::l4_protocol, Field::destination_port}, false, {}};
    for (const auto& [port, asked] : ports_) {
      add_entry<S>(map, protocol_and_port(port.protocol, port.number), Goto<S>{chain_of(chains, name, port, asked)});
    }
    std::vector<NftRule<S>> indexed;
    chains.look_up(indexed, std::move(map));
    for (const auto& [rule, number] : rules_) {
      if (!port_of(*rule)) indexed.push_back(*rule);
    }
    return indexed;
  }

  ChainName<S> chain_of(ChainPool<S>& chains, const std::string& name, const Port& port, const Positions& asked) const {
    if (asked.size() == 1) return std::get<Goto<S>>(rules_[asked.front()].rule->end).to;
    ChainOrigin origin;
    for (const std::uint32_t position : asked) origin.rules.push_back(rules_[position].number);
    return chains.chain(fmt::format("{}-{}-{}", name, port.protocol, port.number), std::move(origin),
                        [&](auto& rules) { rules = rules_for(port, asked); });
  }

  const std::vector<NumberedRule<S>>& rules_;
  std::map<Port, Positions> ports_;                // the rules for exactly that port; after choose(): all that it asks
  std::map<std::uint8_t, Positions> by_protocol_;  // the rules for exactly that protocol, but no certain port
  Positions others_;
  std::size_t with_port_ = 0;
};

}  // namespace drywall
