// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "policy/label_index.h"
#include "policy/model.h"
#include "policy/plan.h"

namespace drywall {

/// Turns the rules of policies into planned rules, and collects the sets that they need.
class RuleCompiler {
 public:
  RuleCompiler(const Inventory& inventory, const LabelIndex& index);

  [[nodiscard]] PlannedPolicy compile(const Policy& policy, Direction direction);
  [[nodiscard]] PlannedPolicy compile(const Profile& profile, Direction direction);
  /// The sets that all compiled rules refer to.
  [[nodiscard]] std::vector<PlannedSet> take_sets() { return std::move(sets_); }
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
  [[nodiscard]] const Service* service(std::string_view ns, std::string_view name) const;
  SetIndex selector_set(const Selector& selector);
  SetIndex intern(std::string definition, std::variant<AddressSet, std::vector<EndpointPort>> members);

  const Inventory& inventory_;
  const LabelIndex& index_;
  std::vector<PlannedSet> sets_;
  std::unordered_map<std::string, SetIndex> set_by_definition_;
};

}  // namespace drywall
