// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "render/bytes.h"
#include "render/name.h"
#include "render/ruleset.h"

namespace drywall {

/// From so many rules on one lookup is cheaper than trying each.
inline constexpr std::size_t shortest_port_run = 6;

/// The match, if it asks for exactly one value of that field.
inline const FieldIs* exactly(const Match& match, Field field) {
  const auto* compared = std::get_if<FieldIs>(&match);
  const bool is_exact =
      compared != nullptr && compared->field == field && compared->compare == Compare::equal && compared->mask.empty();
  return is_exact ? compared : nullptr;
}

inline std::uint16_t port_number(const Bytes& bytes) {
  return static_cast<std::uint16_t>(bytes[0] << 8U | bytes[1]);
}

/// The key `protocol . port` of a rule that goes somewhere for exactly one protocol and destination port.
template <Stance S>
std::optional<Bytes> port_key(const NftRule<S>& rule) {
  if (rule.matches.size() != 2 || rule.counter || rule.log || rule.kernel_log) return std::nullopt;
  if (!std::holds_alternative<Goto<S>>(rule.end)) return std::nullopt;
  const FieldIs* protocol = exactly(rule.matches[0], Field::l4_protocol);
  const FieldIs* port = exactly(rule.matches[1], Field::destination_port);
  if (protocol == nullptr || port == nullptr) return std::nullopt;
  return protocol_and_port(protocol->value[0], port_number(port->value));
}

/// Replaces each run of rules that differ only in one protocol and one destination port by one lookup; a packet that it
/// does not find goes on behind the run, as it did. The maps that this takes are added to `maps`, each once.
template <Stance S>
std::vector<NftRule<S>> with_port_maps(std::vector<NftRule<S>> rules, std::vector<VerdictMap<S>>& maps) {
  std::vector<NftRule<S>> compact;
  for (std::size_t begin = 0; begin < rules.size();) {
    VerdictMap<S> map{"", {Field::l4_protocol, Field::destination_port}, false, {}};
    std::set<Bytes> seen;
    std::string identity(S == Stance::enforce ? "enforce" : "observe");
    std::size_t end = begin;
    for (; end < rules.size(); ++end) {
      const auto key = port_key<S>(rules[end]);
      if (!key) break;
      if (!seen.insert(*key).second) continue;  // the first of the same port wins
      const auto& to = std::get<Goto<S>>(rules[end].end);
      map.entries.push_back({{*key, *key}, to});
      identity.append(key->begin(), key->end()).append(to.to.text);
    }
    if (end - begin < shortest_port_run) {
      end = std::max(end, begin + 1);
      std::move(rules.begin() + static_cast<std::ptrdiff_t>(begin), rules.begin() + static_cast<std::ptrdiff_t>(end),
                std::back_inserter(compact));
    } else {
      std::ranges::sort(map.entries, {}, &VerdictMap<S>::Entry::key);
      map.name = "ports-" + short_hash(identity);
      NftRule<S> lookup;
      lookup.end = Dispatch<S>{map.fields, map.name};
      lookup.at = rules[begin].at;
      compact.push_back(std::move(lookup));
      if (std::ranges::find(maps, map.name, &VerdictMap<S>::name) == maps.end()) maps.push_back(std::move(map));
    }
    begin = end;
  }
  return compact;
}

}  // namespace drywall
