// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/compile_memo.h"

#include "policy/stable_hash.h"

namespace drywall {
namespace {

bool same_population(const Inventory& left, const Inventory& right) {
  return left.host_endpoints == right.host_endpoints && left.workload_endpoints == right.workload_endpoints &&
         left.network_sets == right.network_sets && left.profiles == right.profiles && left.services == right.services;
}

}  // namespace

void CompileMemo::begin(const Inventory& inventory) {
  ++run_;
  if (labels_ && same_population(inventory_, inventory)) return;
  ++population_;
  labels_.reset();
  inventory_ = inventory;
  inventory_.policies = {};
  labels_.emplace(inventory_);
}

void CompileMemo::sweep() {
  const auto is_unused = [&](const auto& entry) { return entry.second.used <= swept_; };
  std::erase_if(policies_, is_unused);
  std::erase_if(others_, is_unused);
  std::erase_if(sets_, is_unused);
  swept_ = run_;
}

/// Definitions whose hashes agree get neighbouring numbers.
CompileMemo::KnownSet& CompileMemo::set(const std::string& definition, const MakeMembers& make) {
  SetIndex index = stable_hash(definition);
  for (;; ++index) {
    const auto [at, is_new] = sets_.try_emplace(index);
    if (is_new) at->second = {index, definition, make, nullptr, 0, 0};
    if (is_new || at->second.definition == definition) return at->second;
  }
}

const std::shared_ptr<const PlannedSet>& CompileMemo::current(KnownSet& known) const {
  if (known.population != population_) {
    known.set = shared_with(known.set, PlannedSet{known.definition, known.make({inventory_, *labels_})});
    known.population = population_;
  }
  return known.set;
}

CompileMemo::KnownPolicy* CompileMemo::find(const std::shared_ptr<const Policy>& policy) {
  const auto found = policies_.find(policy.get());
  return found == policies_.end() ? nullptr : &found->second;
}

CompileMemo::KnownPolicy& CompileMemo::keep(KnownPolicy policy) {
  const Policy* const source = policy.source.get();
  return policies_.insert_or_assign(source, std::move(policy)).first->second;
}

const CompileMemo::KnownRules& CompileMemo::keep(const std::string& name, PlannedPolicy planned,
                                                 std::vector<KnownSet*> sets) {
  KnownOthers& known = others_[name];
  known.rules.planned = shared_with(known.rules.planned, std::move(planned));
  known.rules.sets = std::move(sets);
  known.used = run_;
  return known.rules;
}

}  // namespace drywall
