// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "policy/stable_hash.h"
#include "render/lower_memo.h"
#include "render/port_map.h"
#include "render/ruleset.h"
#include "render/set_pool.h"

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

/// The chains and maps of one stance, each made once however often it is asked for, and not at all if the memo has it
/// from the last time.
template <Stance S>
class ChainPool {
 public:
  /// Remembers nothing.
  ChainPool() : own_(std::make_unique<ChainMemo<S>>()), memo_(*own_) { ++memo_.run; }
  ChainPool(ChainMemo<S>& memo, SetPool& sets) : memo_(memo), sets_(&sets) { ++memo_.run; }

  /// The chain of that name; `fill` appends the rules if it is new. What it names must be in the pool before.
  template <class Fill>
  ChainName<S> chain(const std::string& name, Fill fill) {
    KnownChain<S>& known = memo_.chains[name];
    if (known.used != memo_.run) make(known, name, fill);
    note(known);
    return {name};
  }
  /// Likewise, of a chain whose rules and all that they need follow from its name, the plan's settings and `origin`.
  template <class Fill>
  ChainName<S> chain(const std::string& name, ChainOrigin origin, Fill fill) {
    KnownChain<S>& known = memo_.chains[name];
    if (known.used != memo_.run && known.origin == origin) take_over(known);
    if (known.used != memo_.run) {
      make(known, name, fill);
      known.origin = std::move(origin);
    }
    note(known);
    return {name};
  }
  /// The rules that `fill` appends for a policy in chains of that role; as long as they are used again they keep their
  /// numbers.
  template <class Fill>
  const KnownRules<S>& rules(const std::string& role, const std::shared_ptr<const PlannedPolicy>& policy, Fill fill) {
    KnownRules<S>& known = memo_.rules[role][policy.get()];
    if (known.policy == nullptr) {
      known.policy = policy;
      known.needed = watched([&] { fill(known.rules); });
      known.first_number = memo_.numbered_rules;
      memo_.numbered_rules += known.rules.size();
      known.used = memo_.run;
    }
    take_over(known);
    note(known);
    return known;
  }
  /// The name that `make` gives a chain of that origin.
  template <class Make>
  const std::string& name(const ChainOrigin& origin, Make make) {
    std::uint64_t hash = stable_hash(origin.text);
    for (const auto& policy : origin.policies)
      hash = (hash ^ reinterpret_cast<std::uintptr_t>(policy.get())) * 0x9e37'79b9'7f4a'7c15;
    KnownName& known = memo_.names[hash];
    if (known.used == 0 || known.origin != origin) known = {origin, make(), 0};
    known.used = memo_.run;
    return known.name;
  }

  void add_base(const std::string& name, BaseHook hook, std::vector<NftRule<S>> rules) {
    KnownChain<S>& known = memo_.chains[name];
    known.chain = shared_with(known.chain, Chain<S>{{name}, hook, std::move(rules)});
    put(known);
  }
  /// Keeps the map and appends the rule that looks it up; neither if it is empty.
  void look_up(std::vector<NftRule<S>>& rules, VerdictMap<S> map) {
    if (map.entries.empty()) return;
    std::ranges::sort(map.entries, {}, &VerdictMap<S>::Entry::key);
    rules.push_back(rule_ending<S>(Dispatch<S>{map.fields, map.name}));
    add_map(std::move(map));
  }

  /// The most chains that lead to one another.
  [[nodiscard]] std::size_t deepest() const { return deepest_; }

  Layer<S> take() {
    const auto is_unused = [&](const auto& entry) { return entry.second.used != memo_.run; };
    std::erase_if(memo_.chains, is_unused);
    std::erase_if(memo_.maps, is_unused);
    for (auto& [role, rules] : memo_.rules) std::erase_if(rules, is_unused);
    std::erase_if(memo_.names, is_unused);
    return std::move(layer_);
  }

 private:
  template <class Fill>
  void make(KnownChain<S>& known, const std::string& name, Fill fill) {
    known.needed = watched([&] {
      std::vector<NftRule<S>> rules;
      fill(rules);
      std::vector<VerdictMap<S>> maps;
      Chain<S> chain{{name}, std::nullopt, with_port_maps<S>(std::move(rules), maps)};
      for (VerdictMap<S>& map : maps) add_map(std::move(map));
      known.chain = shared_with(known.chain, std::move(chain));
    });
    known.origin.reset();
    put(known);
  }

  void add_map(VerdictMap<S> map) {
    KnownMap<S>& known = memo_.maps[map.name];
    if (known.used != memo_.run) {
      known.map = shared_with(known.map, std::move(map));
      put(known);
    }
    note(known);
  }

  void put(KnownChain<S>& known) {
    known.used = memo_.run;
    known.depth = 1 + depth_behind(*known.chain);
    deepest_ = std::max(deepest_, known.depth);
    layer_.chains.push_back(known.chain);
  }
  void put(KnownMap<S>& known) {
    known.used = memo_.run;
    layer_.maps.push_back(known.map);
  }

  void take_over(KnownChain<S>& known) {
    if (known.used == memo_.run) return;
    known.used = memo_.run;
    take_over(known.needed);
    deepest_ = std::max(deepest_, known.depth);
    layer_.chains.push_back(known.chain);
  }
  void take_over(KnownMap<S>& known) {
    if (known.used != memo_.run) put(known);
  }
  void take_over(KnownRules<S>& known) {
    if (std::exchange(known.used, memo_.run) != memo_.run) take_over(known.needed);
  }
  void take_over(const Needed<S>& needed) {
    if (sets_ != nullptr) sets_->take_over(needed.sets);
    for (const auto& object : needed.objects) std::visit([&](auto* known) { take_over(*known); }, object);
  }

  /// What `work` asks the pools for.
  template <class Work>
  Needed<S> watched(Work work) {
    watching_.emplace_back();
    if (sets_ != nullptr) sets_->begin_watch();
    work();
    Needed<S> needed = std::move(watching_.back());
    watching_.pop_back();
    if (sets_ != nullptr) needed.sets = sets_->end_watch();
    return needed;
  }
  template <class Known>
  void note(Known& known) {
    if (!watching_.empty()) watching_.back().objects.push_back(&known);
  }

  [[nodiscard]] std::size_t depth_of(const std::string& chain) const {
    const auto known = memo_.chains.find(chain);
    return known == memo_.chains.end() ? 0 : known->second.depth;
  }
  [[nodiscard]] std::size_t depth_behind(const Chain<S>& chain) const {
    std::size_t deepest = 0;
    const auto behind = [&](const auto& verdict) -> std::size_t {
      if constexpr (requires { verdict.to.text; }) return depth_of(verdict.to.text);
      return 0;
    };
    for (const NftRule<S>& rule : chain.rules) {
      deepest = std::max(deepest, std::visit(behind, rule.end));
      const auto* dispatch = std::get_if<Dispatch<S>>(&rule.end);
      if (dispatch == nullptr) continue;
      for (const auto& entry : memo_.maps.at(dispatch->map).map->entries)
        deepest = std::max(deepest, std::visit(behind, entry.verdict));
    }
    return deepest;
  }

  std::unique_ptr<ChainMemo<S>> own_;
  ChainMemo<S>& memo_;
  SetPool* sets_ = nullptr;
  Layer<S> layer_;
  std::vector<Needed<S>> watching_;
  std::size_t deepest_ = 0;
};

}  // namespace drywall
