// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "policy/label_index.h"
#include "policy/model.h"
#include "policy/plan.h"
#include "policy/selector.h"

namespace drywall {

/// What compile() found out and may use again: policies already compiled, and sets with their members. What is compiled
/// with it is what would be compiled without; equal parts of two plans are then the same objects.
class CompileMemo {
 public:
  CompileMemo() = default;
  CompileMemo(const CompileMemo&) = delete;
  CompileMemo& operator=(const CompileMemo&) = delete;

  /// Everything that a set's members can depend on.
  struct Population {
    const Inventory& inventory;  // without policies
    const LabelIndex& labels;
  };
  using Members = std::variant<AddressSet, std::vector<EndpointPort>>;
  using MakeMembers = std::function<Members(const Population&)>;

  struct KnownSet {
    SetIndex index = 0;
    std::string definition;
    MakeMembers make;
    std::shared_ptr<const PlannedSet> set;
    std::uint64_t population = 0;  // that `set` is of
    std::uint64_t used = 0;        // by this run
  };
  /// A policy's rules in one direction and the sets that they name.
  struct KnownRules {
    std::shared_ptr<const PlannedPolicy> planned;
    std::vector<KnownSet*> sets;
  };
  /// Its place among those of its tier: order, then "name/namespace/kind".
  using OrderKey = std::tuple<double, std::string>;
  struct KnownPolicy {
    std::shared_ptr<const Policy> source;
    Selector governed;
    OrderKey order;
    KnownRules ingress;
    KnownRules egress;
    std::uint64_t used = 0;
  };

  /// Begins a run for that inventory.
  void begin(const Inventory& inventory);
  /// Forgets what no run has used since the last time.
  void sweep();

  [[nodiscard]] std::uint64_t run() const { return run_; }
  [[nodiscard]] const LabelIndex& labels() const { return *labels_; }
  /// The set of that definition, known from now on.
  [[nodiscard]] KnownSet& set(const std::string& definition, const MakeMembers& make);
  /// Its members now.
  [[nodiscard]] const std::shared_ptr<const PlannedSet>& current(KnownSet& set) const;
  /// nullptr: not known.
  [[nodiscard]] KnownPolicy* find(const std::shared_ptr<const Policy>& policy);
  KnownPolicy& keep(KnownPolicy policy);
  /// Rules that belong to no policy of the inventory, found again by a name.
  const KnownRules& keep(const std::string& name, PlannedPolicy planned, std::vector<KnownSet*> sets);

 private:
  struct KnownOthers {
    KnownRules rules;
    std::uint64_t used = 0;
  };

  std::uint64_t run_ = 0;
  std::uint64_t swept_ = 0;
  std::uint64_t population_ = 0;
  Inventory inventory_;  // without policies and settings; `labels_` refers to it
  std::optional<LabelIndex> labels_;
  std::unordered_map<SetIndex, KnownSet> sets_;
  std::unordered_map<const Policy*, KnownPolicy> policies_;
  std::unordered_map<std::string, KnownOthers> others_;
};

}  // namespace drywall
