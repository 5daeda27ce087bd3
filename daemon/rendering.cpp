// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/rendering.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "directory/sha256.h"
#include "render/nft_text.h"

namespace drywall {
namespace {

Table table_of(const Ruleset& ruleset, Family family) {
  const auto found = std::ranges::find(ruleset.tables, family, &Table::family);
  Table none;
  none.family = family;
  return found == ruleset.tables.end() ? none : *found;
}

bool has_table(const Ruleset& ruleset, Family family) {
  return std::ranges::find(ruleset.tables, family, &Table::family) != ruleset.tables.end();
}

/// The same words may stand in both tables.
std::string in_table(Family family, std::string_view object) {
  return fmt::format("table {} {}\n{}", family == Family::v4 ? "ip" : "ip6", table_name, object);
}

}  // namespace

void Rendering::replace(const Ruleset& before, const Ruleset& after) {
  for (const Family family : both_families) {
    if (has_table(before, family)) count(in_table(family, ""), Sense::remove);
    if (has_table(after, family)) count(in_table(family, ""), Sense::add);
    replace_table(table_of(before, family), table_of(after, family));
  }
}

std::string Rendering::text() const {
  return fmt::format("{:016x}{:016x}{:016x}{:016x}", sum_[0], sum_[1], sum_[2], sum_[3]);
}

void Rendering::count(std::string_view object, Sense sense) {
  Sha256 hash;
  hash.add(object);
  const auto words = hash.words();
  for (std::size_t i = 0; i < sum_.size(); ++i) {
    const std::uint64_t word = std::uint64_t{words[2 * i]} << 32U | words[2 * i + 1];
    sum_[i] += sense == Sense::add ? word : 0 - word;
  }
}

template <class List>
void Rendering::replace_list(const List& before, const List& after, Family family) {
  const auto changed = unshared(before, after);
  for (const auto* object : changed.left) count(in_table(family, nft_text(*object, family)), Sense::remove);
  for (const auto* object : changed.right) count(in_table(family, nft_text(*object, family)), Sense::add);
}

void Rendering::replace_table(const Table& before, const Table& after) {
  const Family family = after.family;
  replace_list(before.sets, after.sets, family);
  for (const LimiterSet& set : before.limiters) count(in_table(family, nft_text(set, family)), Sense::remove);
  for (const LimiterSet& set : after.limiters) count(in_table(family, nft_text(set, family)), Sense::add);
  replace_list(before.enforce.maps, after.enforce.maps, family);
  replace_list(before.enforce.chains, after.enforce.chains, family);
  replace_list(before.observe.maps, after.observe.maps, family);
  replace_list(before.observe.chains, after.observe.chains, family);
}

}  // namespace drywall
