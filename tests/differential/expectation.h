// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "policy/compile.h"
#include "policy/rule_tag.h"
#include "render/lower.h"
#include "tests/differential/journey.h"
#include "tests/differential/station.h"

namespace drywall::test {

/// What one packet leaves behind: each log with the packet as it was there, and what became of it.
struct Outcome {
  struct Log {
    RuleTag tag;
    Packet packet;
    bool operator==(const Log&) const = default;
  };
  std::vector<Log> logs;
  std::string fate;  // as Observed::fate
  bool operator==(const Outcome&) const = default;
};

/// What becomes of a packet that nothing drops.
[[nodiscard]] std::string fate_of(const Passage& passage);

struct Expected {
  Outcome outcome;
  bool connects;  // the kernel knows its connection from now on
};

/// Both worlds of a policy directory, and what the evaluator says of packets there.
class JudgedDirectory {
 public:
  explicit JudgedDirectory(const Inventory& inventory);
  JudgedDirectory(const JudgedDirectory&) = delete;
  JudgedDirectory& operator=(const JudgedDirectory&) = delete;

  [[nodiscard]] const Plan& plan(World world) const {
    return world == World::enforced ? enforced_.plan : pending_.plan;
  }

  /// Rules are looked up by port in every second directory, however few they are.
  [[nodiscard]] tl::expected<Ruleset, Diagnostics> ruleset() const {
    RenderOptions options;
    if (enforced_.plan.policies.size() % 2 == 0) options.fewest_port_rules = 1;
    return lower(enforced_.plan, pending_.plan, options);
  }

  /// False of what the host sends by another link than it meant before DNAT, if there is untracked policy for what it
  /// sends: the kernel asks that at the first link's endpoint, judge() at the second's. Nor of what the host sends to a
  /// group if connection tracking takes it for invalid and invalid packets are let through: the copy that comes back
  /// has no connection to be known by, and is judged. Nor of what claims to come from the host, to a group, where there
  /// is untracked policy: what that allows is taken for such a copy, and the later legs say nothing of it. Nor
  /// of neighbour discovery from one port of a bridge to another, which is let through unasked.
  [[nodiscard]] bool can_tell(const Journey& journey) const;
  Expected expect(const Journey& journey, Tracking tracking);
  /// For people: each log with the rule that it names.
  [[nodiscard]] std::string describe(const Outcome& outcome) const;

 private:
  class Prediction;
  [[nodiscard]] bool is_observed(const Station& station) const;
  [[nodiscard]] bool has_untracked(Direction direction) const;

  JudgedWorld enforced_;
  JudgedWorld pending_;
};

}  // namespace drywall::test
