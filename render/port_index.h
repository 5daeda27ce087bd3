// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <fmt/format.h>

#include <algorithm>
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
                                                      const std::vector<NftRule<S>>& rules, std::size_t fewest) {
    PortIndex index(rules);
    if (index.with_port_ < fewest || !index.is_small()) return std::nullopt;
    return index.build(chains, name);
  }

 private:
  struct Port {
    std::uint8_t protocol;
    std::uint16_t number;
    auto operator<=>(const Port&) const = default;
  };
  enum class Answer : std::uint8_t { yes, no, open };

  explicit PortIndex(const std::vector<NftRule<S>>& rules) : rules_(rules) {
    for (const NftRule<S>& rule : rules) {
      const auto port = port_of(rule);
      if (port) ports_.try_emplace(*port);
      with_port_ += port ? 1 : 0;
    }
    for (auto& [port, own] : ports_) own = rules_for(port);
  }

  [[nodiscard]] bool is_small() const {
    std::size_t all = 0;
    for (const auto& [port, own] : ports_) all += own.size();
    return all <= 4 * rules_.size() + 256;
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

  /// In their order, without what is known already; up to the first that ends every such packet's way.
  std::vector<NftRule<S>> rules_for(const Port& port) const {
    std::vector<NftRule<S>> own;
    for (const NftRule<S>& rule : rules_) {
      NftRule<S> asked = rule;
      std::erase_if(asked.matches, [&](const Match& match) { return answer(match, port) == Answer::yes; });
      const bool never =
          std::ranges::any_of(asked.matches, [&](const Match& match) { return answer(match, port) == Answer::no; });
      if (never) continue;
      own.push_back(std::move(asked));
      if (own.back().matches.empty() && !std::holds_alternative<Continue>(own.back().end)) break;
    }
    return own;
  }

  std::vector<NftRule<S>> build(ChainPool<S>& chains, const std::string& name) {
    VerdictMap<S> map{name + "-ports", {Field::l4_protocol, Field::destination_port}, false, {}};
    for (auto& [port, own] : ports_) {
      add_entry<S>(map, protocol_and_port(port.protocol, port.number),
                   Goto<S>{chain_of(chains, name, port, std::move(own))});
    }
    std::vector<NftRule<S>> indexed;
    chains.look_up(indexed, std::move(map));
    for (const NftRule<S>& rule : rules_) {
      if (!port_of(rule)) indexed.push_back(rule);
    }
    return indexed;
  }

  static ChainName<S> chain_of(ChainPool<S>& chains, const std::string& name, const Port& port,
                               std::vector<NftRule<S>> own) {
    if (own.size() == 1) return std::get<Goto<S>>(own.front().end).to;
    return chains.chain(fmt::format("{}-{}-{}", name, port.protocol, port.number),
                        [&](auto& rules) { rules = std::move(own); });
  }

  const std::vector<NftRule<S>>& rules_;
  std::map<Port, std::vector<NftRule<S>>> ports_;
  std::size_t with_port_ = 0;
};

}  // namespace drywall
