// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/place.h"

#include <algorithm>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>

namespace drywall {
namespace {

template <Stance S>
bool reads(const NftRule<S>& rule, const std::string& set) {
  if (rule.limit && rule.limit->flows == set) return true;
  return std::ranges::any_of(rule.matches, [&](const Match& match) {
    const auto* in = std::get_if<FieldIn>(&match);
    return in != nullptr && in->set == set;
  });
}

template <Stance S>
class Search {
 public:
  explicit Search(const Layer<S>& layer) : layer_(layer) {
    for (const Chain<S>& chain : layer.chains) chains_.emplace(chain.name.text, &chain);
    for (const VerdictMap<S>& map : layer.maps) maps_.emplace(map.name, &map);
  }

  SourceLocation of(const std::string& name) {
    const SourceLocation reached = of_chain(name);
    if (!reached.file.empty()) return reached;
    const SourceLocation held = of_map(name);
    return held.file.empty() ? of_set(name) : held;
  }

 private:
  SourceLocation of_chain(const std::string& name) {
    const auto found = chains_.find(name);
    if (found == chains_.end() || !seen_.insert(name).second) return {};
    for (const NftRule<S>& rule : found->second->rules) {
      const SourceLocation place = rule.at.file.empty() ? of_end(rule.end) : rule.at;
      if (!place.file.empty()) return place;
    }
    return {};
  }

  SourceLocation of_map(const std::string& name) {
    const auto found = maps_.find(name);
    if (found == maps_.end()) return {};
    for (const auto& entry : found->second->entries) {
      const SourceLocation place = of_end(entry.verdict);
      if (!place.file.empty()) return place;
    }
    return {};
  }

  SourceLocation of_set(const std::string& name) const {
    for (const Chain<S>& chain : layer_.chains) {
      for (const NftRule<S>& rule : chain.rules) {
        if (!rule.at.file.empty() && reads(rule, name)) return rule.at;
      }
    }
    return {};
  }

  /// Of what a rule's end, or an entry's verdict, leads to.
  template <class End>
  SourceLocation of_end(const End& end) {
    return std::visit(
        [&](const auto& last) -> SourceLocation {
          using Last = std::decay_t<decltype(last)>;
          if constexpr (std::is_same_v<Last, Jump<S>> || std::is_same_v<Last, Goto<S>>) return of_chain(last.to.text);
          if constexpr (std::is_same_v<Last, Dispatch<S>>) return of_map(last.map);
          return {};
        },
        end);
  }

  const Layer<S>& layer_;
  std::unordered_map<std::string_view, const Chain<S>*> chains_;
  std::unordered_map<std::string_view, const VerdictMap<S>*> maps_;
  std::unordered_set<std::string> seen_;  // chains: without a place
};

}  // namespace

SourceLocation place_of(const Ruleset& ruleset, Family family, const std::string& name) {
  if (name.empty()) return {};
  for (const Table& table : ruleset.tables) {
    if (table.family != family) continue;
    const SourceLocation enforced = Search(table.enforce).of(name);
    if (!enforced.file.empty()) return enforced;
    const SourceLocation observed = Search(table.observe).of(name);
    if (!observed.file.empty()) return observed;
  }
  return {};
}

}  // namespace drywall
