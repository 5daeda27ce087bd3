// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "render/port_map.h"
#include "render/ruleset.h"

namespace drywall {

template <Stance S>
NftRule<S> rule_ending(End<S> end, std::vector<Match> matches = {}) {
  NftRule<S> rule;
  rule.matches = std::move(matches);
  rule.end = std::move(end);
  return rule;
}

template <Stance S>
void add_entry(VerdictMap<S>& map, const Bytes& key, MapVerdict<S> verdict) {
  map.entries.push_back({{key, key}, std::move(verdict)});
}

/// The chains and maps of one stance, each made once however often it is asked for.
template <Stance S>
class ChainPool {
 public:
  /// The chain of that name; `fill` appends the rules if it is new. What it names must be in the pool before.
  template <class Fill>
  ChainName<S> chain(const std::string& name, Fill fill) {
    if (made_.insert(name).second) {
      std::vector<NftRule<S>> rules;
      fill(rules);
      layer_.chains.push_back({{name}, std::nullopt, with_port_maps<S>(std::move(rules), layer_.maps)});
    }
    return {name};
  }

  void add_base(std::string name, BaseHook hook, std::vector<NftRule<S>> rules) {
    layer_.chains.push_back({{std::move(name)}, hook, std::move(rules)});
  }
  /// Keeps the map and appends the rule that looks it up; neither if it is empty.
  void look_up(std::vector<NftRule<S>>& rules, VerdictMap<S> map) {
    if (map.entries.empty()) return;
    std::ranges::sort(map.entries, {}, &VerdictMap<S>::Entry::key);
    rules.push_back(rule_ending<S>(Dispatch<S>{map.fields, map.name}));
    layer_.maps.push_back(std::move(map));
  }

  Layer<S> take() { return std::move(layer_); }

 private:
  Layer<S> layer_;
  std::set<std::string> made_;
};

}  // namespace drywall
