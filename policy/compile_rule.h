// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "policy/compile_memo.h"
#include "policy/model.h"
#include "policy/plan.h"

namespace drywall {

/// Turns the rules of policies into planned rules, and collects the sets that they need. It knows the sets'
/// definitions, not their members: what it makes of a policy depends on that policy alone.
class RuleCompiler {
 public:
  explicit RuleCompiler(CompileMemo& memo) : memo_(memo) {}

  [[nodiscard]] PlannedPolicy compile(const Policy& policy, Direction direction);
  [[nodiscard]] PlannedPolicy compile(const Profile& profile, Direction direction);
  /// The sets that were named since the last time, each once.
  [[nodiscard]] std::vector<CompileMemo::KnownSet*> take_sets() { return std::exchange(sets_, {}); }
  SetIndex address_set(const std::vector<Prefix>& nets);

 private:
  struct Scope {
    std::string_view ns;
    const Rule& rule;
  };
  void append(PlannedPolicy& into, const std::vector<Rule>& rules, std::string_view ns);
  void add_side(std::vector<Predicate>& all_of, const Scope& scope, Side side);
  void add_ports(std::vector<Predicate>& all_of, const Scope& scope, Side side, const PortList& ports, Sense sense);
  void add_service(std::vector<Predicate>& all_of, const Scope& scope, Side side, const ServiceReference& reference);
  SetIndex selector_set(const Selector& selector);
  SetIndex set(const std::string& definition, const CompileMemo::MakeMembers& make);

  CompileMemo& memo_;
  std::vector<CompileMemo::KnownSet*> sets_;
};

}  // namespace drywall
