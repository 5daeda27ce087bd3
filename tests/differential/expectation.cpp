// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/differential/expectation.h"

#include <fmt/format.h>

#include <algorithm>

#include "tests/differential/besides_policy.h"
#include "tests/differential/station.h"
#include "tests/differential/test_network.h"

namespace drywall::test {
namespace {

/// The rule, end of tier or final deny that an id stands for.
std::string rule_named(const Plan& plan, RuleId id) {
  for (const PlannedPolicy& policy : plan.policies) {
    if (rule_id(policy.id, policy.direction, -1) == id) return "end of tier, " + to_string(policy.id);
    for (const PlannedRule& rule : policy.rules) {
      if (rule.id == id) return fmt::format("{} rule {}", to_string(policy.id), rule.index);
    }
  }
  for (const Direction direction : {Direction::ingress, Direction::egress}) {
    if (id == decided_before_id(direction)) return "an earlier bucket";
  }
  return "no profile";
}

}  // namespace

/// One packet on its way through both worlds.
class JudgedDirectory::Prediction {
 public:
  Prediction(JudgedDirectory& directory, Tracking tracking) : directory_(directory), tracking_(tracking) {}

  Expected run(const Journey& journey) {
    if (!comes_through(journey)) outcome_.fate = "dropped";
    return {outcome_, outcome_.fate != "dropped" && tracking_ == Tracking::fresh};
  }

 private:
  bool comes_through(const Journey& journey) {
    const Passage untranslated = passage_of(journey, Translates::no);
    if (!passes(Step::raw, untranslated) || is_spoofed(directory_.enforced_.plan, untranslated)) return false;
    const bool translates = tracking_ == Tracking::fresh || tracking_ == Tracking::known;
    const Passage passage = translates ? passage_of(journey, Translates::yes) : untranslated;
    outcome_.fate = fate_of(passage);
    if (tracking_ == Tracking::known || tracking_ == Tracking::answer) return true;
    return passes(Step::mangle, passage) && passes(Step::filter, passage);
  }

  /// The pending base chains of one step all come before the enforced ones.
  bool passes(Step step, const Passage& passage) {
    observe(step, passage);
    for (const Station& station : stations(directory_.enforced_, passage)) {
      if (station.step != step) continue;
      if (station.kind == Station::Kind::drops) return false;
      if (is_exempt(station, passage, tracking_)) continue;
      if (is_dropped_as_invalid(directory_.enforced_, step)) return false;
      add_logs(World::enforced, station, passage);
      const Verdict verdict = station.decision.verdict;
      if (verdict == Verdict::deny) return false;
      if (step == Step::raw && verdict == Verdict::allow) tracking_ = Tracking::untracked;
    }
    return true;
  }

  void observe(Step step, const Passage& passage) {
    if (is_dropped_as_invalid(directory_.pending_, step)) return;
    for (const Station& station : stations(directory_.pending_, passage)) {
      if (station.step != step || station.kind == Station::Kind::drops) continue;
      if (directory_.is_observed(station) && !is_exempt(station, passage, tracking_))
        add_logs(World::pending, station, passage);
    }
  }

  [[nodiscard]] bool is_dropped_as_invalid(const JudgedWorld& world, Step step) const {
    return step != Step::raw && tracking_ == Tracking::invalid && world.plan.drop_invalid;
  }

  /// What is essential is silent. Where an earlier bucket had decided, only an observed leg says so.
  void add_logs(World world, const Station& station, const Passage& passage) {
    const auto add = [&](Action action, RuleId id) {
      outcome_.logs.push_back(
          {{world, point_of(station), station.direction, action, id}, seen_in(station.bucket, passage)});
    };
    if (station.kind == Station::Kind::spared) {
      const bool allows = station.decision.verdict == Verdict::allow;
      if (directory_.is_observed(station))
        add(allows ? Action::allow : Action::deny, decided_before_id(station.direction));
      return;
    }
    for (const TraceEntry& entry : station.decision.trace) {
      if (entry.kind == PolicyKind::essential) continue;
      const PolicyId policy{entry.kind, entry.ns, entry.name};
      add(entry.action,
          entry.name.empty() ? no_profile_id(station.direction) : rule_id(policy, station.direction, entry.rule));
    }
  }

  JudgedDirectory& directory_;
  Tracking tracking_;
  Outcome outcome_;
};

std::string fate_of(const Passage& passage) {
  if (passage.out_interface.empty()) return "delivered";
  if (passage.out_interface == "lo") return "sent by lo, delivered";
  const std::string sent = "sent by " + passage.out_interface;
  if (!is_group(passage.packet.destination)) return sent;
  // The host hears its own multicast too. The kernel copies that of IPv4 before postrouting, that of IPv6 behind it,
  // and lets the copy pass postrouting again.
  return passage.packet.source.family == Family::v4 ? sent + ", delivered, " + sent
                                                    : sent + ", " + sent + ", delivered";
}

JudgedDirectory::JudgedDirectory(const Inventory& inventory)
    : enforced_(compile(inventory, policed_host(), World::enforced)),
      pending_(compile(inventory, policed_host(), World::pending)) {}

bool JudgedDirectory::is_observed(const Station& station) const {
  const auto in = [&](const Plan& plan) {
    const auto found = std::ranges::find(plan.endpoints, station.endpoint->id, &PlannedEndpoint::id);
    return EndpointInPlan{plan, found == plan.endpoints.end() ? nullptr : &*found};
  };
  return drywall::is_observed(in(enforced_.plan), in(pending_.plan), station.bucket, station.direction);
}

bool JudgedDirectory::can_tell(const Journey& journey) const {
  // Neighbour discovery from one port of a bridge to another is let through unasked: in earnest the bridge forwards it.
  const Passage way = passage_of(journey, Translates::yes);
  const bool is_inside_bridge = !way.in_interface.empty() && way.in_interface == way.out_interface;
  if (is_inside_bridge && way.packet.protocol == protocol::icmpv6 && way.packet.icmp_type >= 130) return false;
  const bool to_group = is_group(journey.crafted.packet.destination);
  if (journey.in.empty()) {
    const bool rerouted =
        passage_of(journey, Translates::no).out_interface != passage_of(journey, Translates::yes).out_interface;
    if (rerouted && has_untracked(Direction::egress)) return false;
    return !to_group || enforced_.plan.drop_invalid || tracking_of(journey.crafted) != Tracking::invalid;
  }
  const bool claims_to_be_the_host = link_to(journey.crafted.packet.source) == "lo";
  return !to_group || !claims_to_be_the_host || !has_untracked(Direction::ingress);
}

bool JudgedDirectory::has_untracked(Direction direction) const {
  const auto untracks = [&](const PlannedEndpoint& endpoint) {
    return endpoint.leg(Bucket::untracked, direction) != nullptr;
  };
  return std::ranges::any_of(enforced_.plan.endpoints, untracks) ||
         std::ranges::any_of(pending_.plan.endpoints, untracks);
}

Expected JudgedDirectory::expect(const Journey& journey, Tracking tracking) {
  return Prediction(*this, tracking).run(journey);
}

std::string JudgedDirectory::describe(const Outcome& outcome) const {
  std::string text;
  for (const Outcome::Log& log : outcome.logs) {
    const Plan& plan = log.tag.world == World::enforced ? enforced_.plan : pending_.plan;
    const Packet& packet = log.packet;
    text += fmt::format("    {} {} ({}), {}:{} -> {}:{} protocol {} icmp {}:{}\n", to_string(log.tag),
                        to_string(log.tag.action), rule_named(plan, log.tag.id), to_string(packet.source),
                        packet.source_port, to_string(packet.destination), packet.destination_port,
                        packet.protocol.number, packet.icmp_type, packet.icmp_code);
  }
  return text + "    " + outcome.fate + "\n";
}

}  // namespace drywall::test
