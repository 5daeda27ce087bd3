// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/encode.h"

#include "render/batch_writer.h"

namespace drywall {
namespace {

template <Stance S>
void write_chains(BatchWriter& batch, Family family, const Layer<S>& layer) {
  for (const VerdictMap<S>& map : layer.maps) batch.new_map<S>(family, map);
  for (const Chain<S>& chain : layer.chains) batch.new_chain<S>(family, chain);
}

template <Stance S, class Chains>
void write_rules(BatchWriter& batch, Family family, const Chains& chains) {
  for (const Chain<S>& chain : chains) {
    for (const NftRule<S>& rule : chain.rules) batch.new_rule<S>(family, chain, rule);
  }
}

template <Stance S>
void write_layer_rules(BatchWriter& batch, Family family, const Layer<S>& layer) {
  for (const VerdictMap<S>& map : layer.maps) batch.add_entries<S>(family, map.name, map.interval, map.entries);
  write_rules<S>(batch, family, layer.chains);
}

void write_set(BatchWriter& batch, Family family, const Set& set) {
  batch.new_set(family, set);
  batch.add_elements(family, set.name, set.interval, set.elements);
}

void write_table(BatchWriter& batch, const Table& table, TableOwner owner) {
  batch.new_table(table.family, owner);
  batch.mark_generation(table.family);
  for (const Set& set : table.sets) write_set(batch, table.family, set);
  for (const LimiterSet& limiter : table.limiters) batch.new_limiter(table.family, limiter);
  write_chains(batch, table.family, table.observe);
  write_chains(batch, table.family, table.enforce);
  write_layer_rules(batch, table.family, table.observe);
  write_layer_rules(batch, table.family, table.enforce);
}

// --- changes -----------------------------------------------------------------------------------------------------
//
// Within a batch the kernel asks of each message that what it names is there and that what it removes is not in use:
// references go before what they name, and come after.

/// Rules of chains that are rewritten or go, and map elements that go: whatever could still name something.
template <Stance S>
void release(BatchWriter& batch, Family family, const LayerChange<S>& change) {
  for (const auto* chains : {&change.rewritten_chains, &change.gone_chains}) {
    for (const Chain<S>& chain : *chains) batch.flush_chain(family, chain.name.text);
  }
  for (const MapElements<S>& map : change.elements) batch.delete_elements(family, map.map, map.interval, map.removed);
  for (const std::string& map : change.gone_maps) batch.delete_set(family, map);
}

template <Stance S>
void remove(BatchWriter& batch, Family family, const LayerChange<S>& change) {
  for (const Chain<S>& chain : change.gone_chains) batch.delete_chain(family, chain.name.text);
}

template <Stance S>
void declare(BatchWriter& batch, Family family, const LayerChange<S>& change) {
  for (const VerdictMap<S>& map : change.fresh_maps) batch.new_map<S>(family, map);
  for (const Chain<S>& chain : change.fresh_chains) batch.new_chain<S>(family, chain);
}

template <Stance S>
void fill(BatchWriter& batch, Family family, const LayerChange<S>& change) {
  for (const VerdictMap<S>& map : change.fresh_maps) batch.add_entries<S>(family, map.name, map.interval, map.entries);
  for (const MapElements<S>& map : change.elements) batch.add_entries<S>(family, map.map, map.interval, map.added);
  write_rules<S>(batch, family, change.fresh_chains);
  write_rules<S>(batch, family, change.rewritten_chains);
}

void write_change(BatchWriter& batch, const TableChange& change) {
  const Family family = change.family;
  batch.mark_generation_anew(family);
  release(batch, family, change.enforce);
  release(batch, family, change.observe);
  for (const std::string& set : change.gone_sets) batch.delete_set(family, set);
  remove(batch, family, change.enforce);
  remove(batch, family, change.observe);
  for (const SetElements& set : change.elements) {
    batch.delete_elements(family, set.set, set.interval, set.removed);
    batch.add_elements(family, set.set, set.interval, set.added);
  }
  for (const Set& set : change.fresh_sets) write_set(batch, family, set);
  for (const LimiterSet& limiter : change.fresh_limiters) batch.new_limiter(family, limiter);
  declare(batch, family, change.observe);
  declare(batch, family, change.enforce);
  fill(batch, family, change.observe);
  fill(batch, family, change.enforce);
}

}  // namespace

Transaction encode_change(const Ruleset& before, const Ruleset& after, const EncodeOptions& options) {
  const Change change = diff(before, after);
  BatchWriter batch(options);
  batch.begin();
  for (const Family family : change.gone_tables) batch.delete_table(family);
  for (const Table& table : change.fresh_tables) write_table(batch, table, options.owner);
  for (const TableChange& table : change.tables) write_change(batch, table);
  batch.end();
  return batch.take();
}

Transaction encode_replacement(const Ruleset& ruleset, const EncodeOptions& options) {
  BatchWriter batch(options);
  batch.begin();
  for (const Family family : both_families) {
    // Deleting what is not there is an error: so it is made first. If it is there its flags must be named as they are.
    batch.new_table(family, options.held[static_cast<std::size_t>(family)]);
    batch.delete_table(family);
  }
  for (const Table& table : ruleset.tables) write_table(batch, table, options.owner);
  batch.end();
  return batch.take();
}

Transaction encode_adoption(const std::vector<Family>& tables, const EncodeOptions& options) {
  BatchWriter batch(options);
  batch.begin();
  for (const Family family : tables) batch.new_table(family, TableOwner::sender);
  batch.end();
  return batch.take();
}

}  // namespace drywall