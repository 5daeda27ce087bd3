// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "policy/plan.h"
#include "render/lower.h"
#include "render/ruleset.h"

// What lower() found out and may use again. Everything here is an answer kept beside the question: a chain with what it
// was made of, a set with what it was made for. A run uses an answer if it would ask the same question, and what no
// run used any more is forgotten, so that it holds no more than the last ruleset needed.

namespace drywall {

struct KnownSet {
  std::shared_ptr<const Set> set;
  std::optional<SetIndex> of;                 // the plan's set that it is
  std::shared_ptr<const PlannedSet> planned;  // likewise, as it was then
  std::uint64_t used = 0;                     // by this run
};
struct KnownLimiter {
  LimiterSet limiter;
  std::uint64_t used = 0;
};
/// The sets of one table.
struct SetMemo {
  std::uint64_t run = 0;
  std::map<std::string, KnownSet> sets;  // by name
  std::map<std::string, KnownLimiter> limiters;
};
struct NeededSets {
  std::vector<KnownSet*> sets;
  std::vector<KnownLimiter*> limiters;
};

/// What the content of a chain of a certain name follows from.
struct ChainOrigin {
  std::string text;
  std::vector<std::shared_ptr<const PlannedPolicy>> policies;  // the same only if they are the same objects
  std::vector<std::uint64_t> rules;                            // numbers that rules got, never given twice
  bool operator==(const ChainOrigin&) const = default;
};

template <Stance S>
struct KnownChain;
template <Stance S>
struct KnownRules;
template <Stance S>
struct KnownMap {
  std::shared_ptr<const VerdictMap<S>> map;
  std::uint64_t used = 0;
};
/// What must be there for some rules, in the order in which it was asked for.
template <Stance S>
struct Needed {
  using Object = std::variant<KnownChain<S>*, KnownMap<S>*, KnownRules<S>*>;
  std::vector<Object> objects;
  NeededSets sets;
};
template <Stance S>
struct KnownChain {
  std::shared_ptr<const Chain<S>> chain;
  std::optional<ChainOrigin> origin;  // nothing: it is made in each run
  Needed<S> needed;
  std::size_t depth = 0;  // chains that lead to one another from here, this one included
  std::uint64_t used = 0;
};
/// The rules that a policy becomes in chains of one role.
template <Stance S>
struct KnownRules {
  std::shared_ptr<const PlannedPolicy> policy;
  std::vector<NftRule<S>> rules;
  std::uint64_t first_number = 0;  // of the rules, each one more
  Needed<S> needed;
  std::uint64_t used = 0;
};
struct KnownName {
  ChainOrigin origin;
  std::string name;
  std::uint64_t used = 0;
};
/// The chains and maps of one layer.
template <Stance S>
struct ChainMemo {
  std::uint64_t run = 0;
  std::uint64_t numbered_rules = 0;
  std::unordered_map<std::string, KnownChain<S>> chains;
  std::unordered_map<std::string, KnownMap<S>> maps;
  std::map<std::string, std::unordered_map<const PlannedPolicy*, KnownRules<S>>> rules;  // by role and policy
  std::unordered_map<std::uint64_t, KnownName> names;  // of chains, by a hash of the origin
};

/// One family's.
struct TableMemo {
  SetMemo sets;
  ChainMemo<Stance::enforce> enforce;
  ChainMemo<Stance::observe> observe;
};

class LowerMemo {
 public:
  LowerMemo() = default;
  LowerMemo(const LowerMemo&) = delete;
  LowerMemo& operator=(const LowerMemo&) = delete;

  /// Forgets everything if an answer may depend on something that is another now and no origin tells of.
  void begin(const Plan& enforced, const Plan& pending, const RenderOptions& options);
  [[nodiscard]] TableMemo& table(Family family) { return tables_[static_cast<std::size_t>(family)]; }

 private:
  /// Of a plan, beside its policies and sets.
  struct Globals {
    RenderOptions options;
    std::array<DenyAction, 2> deny_action;
    std::array<bool, 2> drop_invalid;
    std::array<KernelLog, 2> kernel_log;
    bool operator==(const Globals&) const = default;
  };
  /// Whether a set has members of a family decides whether a rule that names it is there at all.
  struct HasMembers {
    std::shared_ptr<const PlannedSet> set;
    bool v4 = false;
    bool v6 = false;
  };
  [[nodiscard]] bool note_members(const Plan& plan);

  std::array<TableMemo, 2> tables_;
  std::optional<Globals> globals_;
  std::unordered_map<SetIndex, HasMembers> members_;
};

/// As lower(enforced, pending, options); what the memo knows is not made again.
[[nodiscard]] tl::expected<Ruleset, Diagnostics> lower(const Plan& enforced, const Plan& pending,
                                                       const RenderOptions& options, LowerMemo& memo);

}  // namespace drywall
