// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/change.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string_view>
#include <utility>

namespace drywall {
namespace {

template <class T, class Name>
std::map<std::string_view, const T*> by_name(const std::vector<const T*>& objects, Name name) {
  std::map<std::string_view, const T*> found;
  for (const T* object : objects) found.emplace(name(*object), object);
  return found;
}

template <class T>
std::vector<const T*> all(const SharedList<T>& list) {
  std::vector<const T*> objects;
  for (const T& object : list) objects.push_back(&object);
  return objects;
}

template <class T>
const T* find(const std::map<std::string_view, const T*>& among, std::string_view name) {
  const auto found = among.find(name);
  return found == among.end() ? nullptr : found->second;
}

constexpr auto own_name = [](const auto& object) -> std::string_view { return object.name; };
constexpr auto chain_name = [](const auto& chain) -> std::string_view { return chain.name.text; };

/// Of sorted lists: what only `left` has.
template <class T>
std::vector<T> only_in(const std::vector<T>& left, const std::vector<T>& right) {
  std::vector<T> only;
  std::ranges::set_difference(left, right, std::back_inserter(only));
  return only;
}

/// A comment without the place in the file at its end, which moves with every line before it.
std::string_view what(std::string_view comment) {
  return comment.substr(0, comment.rfind(" ("));
}

template <Stance S>
bool is_alike(const NftRule<S>& left, const NftRule<S>& right) {
  return left.matches == right.matches && left.counter == right.counter && left.limit == right.limit &&
         left.log == right.log && left.kernel_log == right.kernel_log && left.end == right.end &&
         what(left.comment) == what(right.comment);
}

/// The same kind of set, so that elements can come and go.
bool has_same_shape(const Set& left, const Set& right) {
  return left.fields == right.fields && left.interval == right.interval && fixed_size(left) == fixed_size(right);
}
template <Stance S>
bool has_same_shape(const VerdictMap<S>& left, const VerdictMap<S>& right) {
  return left.fields == right.fields && left.interval == right.interval && fixed_size(left) == fixed_size(right);
}

template <Stance S>
MapElements<S> element_changes(const VerdictMap<S>& before, const VerdictMap<S>& after) {
  MapElements<S> changes{after.name, after.interval, {}, {}};
  auto old = before.entries.begin();
  auto now = after.entries.begin();
  while (old != before.entries.end() || now != after.entries.end()) {
    const bool only_old = now == after.entries.end() || (old != before.entries.end() && old->key < now->key);
    const bool only_now = old == before.entries.end() || (now != after.entries.end() && now->key < old->key);
    const bool same = !only_old && !only_now && *old == *now;
    if (!only_now && !same) changes.removed.push_back(old->key);
    if (!only_old && !same) changes.added.push_back(*now);
    if (!only_now) ++old;
    if (!only_old) ++now;
  }
  return changes;
}

/// Compares one stance's layers.
template <Stance S>
class LayerDiff {
 public:
  ///   remade_sets  that rules of either layer look up
  LayerDiff(const Layer<S>& before, const Layer<S>& after, const std::set<std::string_view>& remade_sets)
      : before_(before), after_(after), remade_(remade_sets) {}

  LayerChange<S> run() {
    compare_maps();
    compare_chains();
    return std::move(change_);
  }

 private:
  void compare_maps() {
    const Unshared<VerdictMap<S>> maps = unshared(before_.maps, after_.maps);
    const auto old = by_name(maps.left, own_name);
    const auto now = by_name(maps.right, own_name);
    for (const VerdictMap<S>* map : maps.left) {
      const VerdictMap<S>* const stays = find(now, map->name);
      if (stays == nullptr || !has_same_shape(*map, *stays)) change_.gone_maps.push_back(map->name);
    }
    for (const VerdictMap<S>* map : maps.right) {
      const VerdictMap<S>* const was = find(old, map->name);
      if (was == nullptr || !has_same_shape(*was, *map)) {
        change_.fresh_maps.push_back(*map);
        if (was != nullptr) remade_.insert(map->name);
        continue;
      }
      MapElements<S> elements = element_changes(*was, *map);
      if (!elements.removed.empty() || !elements.added.empty()) change_.elements.push_back(std::move(elements));
    }
  }

  void compare_chains() {
    // A chain that looks up what is made anew must be rewritten though it is the same.
    const Unshared<Chain<S>> chains = remade_.empty() ? unshared(before_.chains, after_.chains)
                                                      : Unshared<Chain<S>>{all(before_.chains), all(after_.chains)};
    const auto old = by_name(chains.left, chain_name);
    const auto now = by_name(chains.right, chain_name);
    for (const Chain<S>* chain : chains.left) {
      const Chain<S>* const stays = find(now, chain->name.text);
      if (stays == nullptr || stays->base != chain->base) change_.gone_chains.push_back(*chain);
    }
    for (const Chain<S>* chain : chains.right) {
      const Chain<S>* const was = find(old, chain->name.text);
      if (was == nullptr || was->base != chain->base) {
        change_.fresh_chains.push_back(*chain);
      } else if ((was != chain && !std::ranges::equal(was->rules, chain->rules, is_alike<S>)) ||
                 looks_up_remade(*chain)) {
        change_.rewritten_chains.push_back(*chain);
      }
    }
  }

  bool looks_up_remade(const Chain<S>& chain) const {
    return !remade_.empty() && std::ranges::any_of(chain.rules, [&](const NftRule<S>& rule) {
      const auto* dispatch = std::get_if<Dispatch<S>>(&rule.end);
      if (dispatch != nullptr && remade_.contains(dispatch->map)) return true;
      if (rule.limit && remade_.contains(rule.limit->flows)) return true;
      return std::ranges::any_of(rule.matches, [&](const Match& match) {
        const auto* looked_up = std::get_if<FieldIn>(&match);
        return looked_up != nullptr && remade_.contains(looked_up->set);
      });
    });
  }

  const Layer<S>& before_;
  const Layer<S>& after_;
  std::set<std::string_view> remade_;
  LayerChange<S> change_;
};

TableChange diff_tables(const Table& before, const Table& after) {
  TableChange change;
  change.family = after.family;
  std::set<std::string_view> remade;
  const Unshared<Set> sets = unshared(before.sets, after.sets);
  const auto old = by_name(sets.left, own_name);
  const auto now = by_name(sets.right, own_name);
  for (const Set* set : sets.left) {
    const Set* const stays = find(now, set->name);
    if (stays == nullptr || !has_same_shape(*set, *stays)) change.gone_sets.push_back(set->name);
  }
  for (const Set* set : sets.right) {
    const Set* const was = find(old, set->name);
    if (was == nullptr || !has_same_shape(*was, *set)) {
      change.fresh_sets.push_back(*set);
      if (was != nullptr) remade.insert(set->name);
    } else if (was->elements != set->elements) {
      change.elements.push_back(
          {set->name, set->interval, only_in(was->elements, set->elements), only_in(set->elements, was->elements)});
    }
  }
  for (const LimiterSet& limiter : before.limiters) {
    if (std::ranges::find(after.limiters, limiter) == after.limiters.end()) change.gone_sets.push_back(limiter.name);
  }
  for (const LimiterSet& limiter : after.limiters) {
    if (std::ranges::find(before.limiters, limiter) != before.limiters.end()) continue;
    change.fresh_limiters.push_back(limiter);
    remade.insert(limiter.name);
  }
  change.enforce = LayerDiff<Stance::enforce>(before.enforce, after.enforce, remade).run();
  change.observe = LayerDiff<Stance::observe>(before.observe, after.observe, remade).run();
  return change;
}

}  // namespace

bool Change::empty() const {
  return fresh_tables.empty() && gone_tables.empty() && std::ranges::all_of(tables, &TableChange::empty);
}

Change diff(const Ruleset& before, const Ruleset& after) {
  Change change;
  for (const Table& table : after.tables) {
    const auto was = std::ranges::find(before.tables, table.family, &Table::family);
    if (was == before.tables.end()) {
      change.fresh_tables.push_back(table);
    } else {
      change.tables.push_back(diff_tables(*was, table));
    }
  }
  for (const Table& table : before.tables) {
    if (std::ranges::find(after.tables, table.family, &Table::family) == after.tables.end())
      change.gone_tables.push_back(table.family);
  }
  return change;
}

}  // namespace drywall
