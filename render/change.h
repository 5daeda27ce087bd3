// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <vector>

#include "render/ruleset.h"

namespace drywall {

/// Elements that come and go. A key whose verdict changes is in both lists.
struct SetElements {
  std::string set;
  bool interval = false;
  std::vector<Element> removed;
  std::vector<Element> added;
  bool operator==(const SetElements&) const = default;
};

template <Stance S>
struct MapElements {
  std::string map;
  bool interval = false;
  std::vector<Element> removed;
  std::vector<typename VerdictMap<S>::Entry> added;
  bool operator==(const MapElements&) const = default;
};

/// What changes of one stance. A map or base chain that must be made anew is both `gone` and `fresh`; every chain that
/// looks up such a map is `rewritten`.
template <Stance S>
struct LayerChange {
  std::vector<VerdictMap<S>> fresh_maps;
  std::vector<std::string> gone_maps;
  std::vector<MapElements<S>> elements;
  std::vector<Chain<S>> fresh_chains;
  std::vector<Chain<S>> rewritten_chains;  // all rules replaced; the chain itself, and what leads to it, stays
  std::vector<Chain<S>> gone_chains;
  bool operator==(const LayerChange&) const = default;

  [[nodiscard]] bool empty() const {
    return fresh_maps.empty() && gone_maps.empty() && elements.empty() && fresh_chains.empty() &&
           rewritten_chains.empty() && gone_chains.empty();
  }
};

struct TableChange {
  Family family = Family::v4;
  std::vector<Set> fresh_sets;
  std::vector<std::string> gone_sets;
  std::vector<SetElements> elements;
  std::vector<LimiterSet> fresh_limiters;
  LayerChange<Stance::enforce> enforce;
  LayerChange<Stance::observe> observe;
  bool operator==(const TableChange&) const = default;

  [[nodiscard]] bool empty() const {
    return fresh_sets.empty() && gone_sets.empty() && elements.empty() && fresh_limiters.empty() && enforce.empty() &&
           observe.empty();
  }
};

/// What must be sent so that a kernel that holds one ruleset holds another. Chains that both have alike are not
/// touched, so their counters go on; a rule that only stands at another line of its file is alike.
struct Change {
  std::vector<TableChange> tables;  // of the tables that both have
  std::vector<Table> fresh_tables;
  std::vector<Family> gone_tables;
  bool operator==(const Change&) const = default;

  [[nodiscard]] bool empty() const;
};

[[nodiscard]] Change diff(const Ruleset& before, const Ruleset& after);

}  // namespace drywall
