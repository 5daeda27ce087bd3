// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "policy/plan.h"
#include "policy/rule_tag.h"
#include "render/chain_pool.h"
#include "render/hook_plan.h"
#include "render/lower.h"
#include "render/name.h"
#include "render/set_pool.h"

namespace drywall {

/// What a chain of one leg and world is called: e or p, the leg's letter, i or e; as in the tags. The kernel takes no
/// reject where postrouting leads: there the chains are others.
inline std::string role_of(const Plan& plan, const LegHook& hook) {
  const std::string role = to_string(RuleTag{plan.world, hook.point, hook.direction, Action::pass, 0}).substr(3, 3);
  const bool apart = plan.deny_action == DenyAction::reject && hook.hook == Hook::postrouting;
  return apart ? role + "-postrouting" : role;
}

inline std::string source_text(const SourceLocation& at) {
  return at.file.empty() ? "built in" : fmt::format("{}:{}", at.file.substr(at.file.rfind('/') + 1), at.line);
}

/// What of a packet is logged: all of an IPv4 header and the next 20 bytes; an IPv6 header with room for extensions.
constexpr std::uint32_t copied_bytes(Family family) {
  return family == Family::v4 ? 80 : 128;
}

/// Makes the chains in which a packet's way through a leg ends, or through one tier of it: counter, log, verdict. A
/// Pass leaf ends without verdict and so returns to the caller of the tier's chain.
template <Stance S>
class LeafBuilder {
 public:
  LeafBuilder(const Plan& plan, Family family, const RenderOptions& options, SetPool& sets, ChainPool<S>& chains)
      : plan_(plan), family_(family), options_(options), sets_(sets), chains_(chains) {}

  /// The leaf that logs `action` and `id`, named by its tag.
  ///   what, at  for people who list the table
  ChainName<S> leaf(const LegHook& hook, Action action, RuleId id, const std::string& what, const SourceLocation& at) {
    const std::string tag = to_string(RuleTag{plan_.world, hook.point, hook.direction, action, id});
    const bool rejects = action == Action::deny && plan_.deny_action == DenyAction::reject;
    // The kernel takes no reject where postrouting leads: there its leaves are others.
    const std::string name = rejects && hook.hook == Hook::postrouting ? tag + "-postrouting" : tag;
    return chains_.chain(name, [&](auto& rules) {
      NftRule<S> counted;
      counted.counter = true;
      counted.comment = comment_text(fmt::format("{} ({})", what, source_text(at)));
      counted.at = at;
      rules.push_back(std::move(counted));
      add_verdict(rules, hook, action, tag);
    });
  }

 private:
  void add_verdict(std::vector<NftRule<S>>& rules, const LegHook& hook, Action action, const std::string& tag) {
    const End<S> end = leaf_end(hook, action);
    if (!is_logged(action)) {
      rules.push_back(rule_ending<S>(end));
      return;
    }
    const bool tracked = hook.point != LegPoint::untracked;
    if (tracked && plan_.world == World::enforced && action != Action::deny) {
      // Only a connection's first packet is evidence: the kernel asks again for each packet of a one-way flow.
      rules.push_back(rule_ending<S>(end, {StatusIs{ct_status::confirmed}}));
    }
    NftRule<S> logged = rule_ending<S>(end);
    logged.log = Nflog{tag, options_.nflog_group, copied_bytes(family_)};
    if (tracked && plan_.world == World::enforced && action == Action::allow) {
      rules.push_back(std::move(logged));  // as many as there are new connections
      return;
    }
    add_limited(rules, hook, action, std::move(logged));
  }

  /// The leaf's own rate costs little and is never reached but in a flood; the set that then keeps each flow in view
  /// costs more.
  void add_limited(std::vector<NftRule<S>>& rules, const LegHook& hook, Action action, NftRule<S> logged) {
    const LogLimits& limits = options_.limits;
    const bool untracked = hook.point == LegPoint::untracked;
    NftRule<S> by_flow = logged;
    logged.limit = Limit{"", untracked ? limits.untracked_leaf_rate : limits.leaf_rate,
                         untracked ? limits.untracked_leaf_burst : limits.leaf_burst};
    by_flow.limit = Limit{flows_of(hook), limits.flow_rate, limits.flow_burst};
    rules.push_back(std::move(logged));
    rules.push_back(std::move(by_flow));
    rules.push_back(rule_ending<S>(Goto<S>{unlogged(hook, action)}));
  }

  std::string flows_of(const LegHook& hook) {
    return sets_.limiter("flows-" + role_of(plan_, hook), options_.limits.flows, options_.limits.flow_memory_seconds);
  }

  /// Where the packets end that were over every rate: counted, by why they were not logged.
  ChainName<S> unlogged(const LegHook& hook, Action action) {
    const std::string flows = flows_of(hook);
    const std::string name = fmt::format("unlogged-{}-{}", role_of(plan_, hook), to_string(action));
    return chains_.chain(name, [&](auto& rules) {
      // A lookup runs the element's own limit: of a flow that is over it, neither it nor its opposite holds.
      for (const char* why : {full_comment, limited_comment}) {
        NftRule<S> counted = rule_ending<S>(leaf_end(hook, action));
        if (why == full_comment) counted.matches = {FieldIn{limiter_key, flows, Sense::is_not}};
        counted.counter = true;
        counted.comment = why;
        rules.push_back(std::move(counted));
      }
    });
  }

  [[nodiscard]] bool is_logged(Action action) const {
    if (plan_.world == World::pending || options_.log_enforced == LogEnforced::all) return true;
    return options_.log_enforced == LogEnforced::deny && action == Action::deny;
  }

  End<S> leaf_end(const LegHook& hook, Action action) const {
    if (action == Action::pass) return Return{};
    if constexpr (S == Stance::enforce) {
      if (action == Action::deny) {
        // Before connection tracking there is nobody to answer, and at postrouting the kernel takes no reject.
        const bool can_reject = hook.point != LegPoint::untracked && hook.hook != Hook::postrouting;
        if (plan_.deny_action == DenyAction::reject && can_reject) return Reject{};
        return Drop{};
      }
      if (hook.point == LegPoint::untracked) return AcceptUntracked{};
    }
    return Accept{};
  }

  const Plan& plan_;
  Family family_;
  const RenderOptions& options_;
  SetPool& sets_;
  ChainPool<S>& chains_;
};

}  // namespace drywall
