// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/differential/expectation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "tests/differential/test_network.h"

namespace drywall::test {
namespace {

/// The hooks that a packet passes, one after the other: raw, mangle, then input, forward or output. A drop at one keeps
/// it from the next.
enum class Stage : std::uint8_t { raw, mangle, filter };
constexpr std::array stages{Stage::raw, Stage::mangle, Stage::filter};

LegPoint point_of(const JudgedLeg& judged) {
  if (judged.endpoint->id.kind == EndpointKind::workload) return LegPoint::workload;
  switch (judged.leg->bucket) {
    case Bucket::untracked:
      return LegPoint::untracked;
    case Bucket::pre_dnat:
      return LegPoint::pre_dnat;
    case Bucket::normal:
      return LegPoint::host;
    case Bucket::forward:
      return LegPoint::forward;
  }
  return LegPoint::host;
}

Stage stage_of(LegPoint point) {
  if (point == LegPoint::untracked) return Stage::raw;
  return point == LegPoint::pre_dnat ? Stage::mangle : Stage::filter;
}

/// Neighbour and router solicitation and listener reports, from a workload to the host.
bool is_workload_discovery(const Packet& packet) {
  constexpr std::array<std::uint8_t, 6> types{130, 131, 132, 133, 135, 136};
  return packet.source.family == Family::v6 && packet.protocol == protocol::icmpv6 &&
         std::ranges::find(types, packet.icmp_type) != types.end();
}

/// What the trace of a leg leaves in the log; what is essential is silent.
void add_logs(std::vector<Outcome::Log>& logs, World world, const JudgedLeg& judged, const Passage& passage) {
  for (const TraceEntry& entry : judged.decision.trace) {
    if (entry.kind == PolicyKind::essential) continue;
    const Direction direction = judged.leg->direction;
    const RuleId id = entry.name.empty() ? no_profile_id(direction)
                                         : rule_id({entry.kind, entry.ns, entry.name}, direction, entry.rule);
    logs.push_back({{world, point_of(judged), direction, entry.action, id}, seen_in(judged.leg->bucket, passage)});
  }
}

/// The rule, end of tier or final deny that an id stands for.
std::string rule_named(const Plan& plan, RuleId id) {
  for (const PlannedPolicy& policy : plan.policies) {
    if (rule_id(policy.id, policy.direction, -1) == id) return "end of tier, " + to_string(policy.id);
    for (const PlannedRule& rule : policy.rules) {
      if (rule.id == id) return fmt::format("{} rule {}", to_string(policy.id), rule.index);
    }
  }
  return "no profile";
}

}  // namespace

/// A base chain that a packet comes to: a leg, or what is no leg of a plan but drops packets all the same.
struct JudgedDirectory::Station {
  Stage stage;
  int place;                     // among those of one hook
  std::optional<JudgedLeg> leg;  // nothing: a silent drop
};

std::string fate_of(const Passage& passage) {
  if (passage.out_interface.empty()) return "delivered";
  if (passage.out_interface == "lo") return "sent by lo, delivered";
  return "sent by " + passage.out_interface;
}

JudgedDirectory::JudgedDirectory(const Inventory& inventory)
    : enforced_(compile(inventory, policed_host(), World::enforced)),
      pending_(compile(inventory, policed_host(), World::pending)) {}

/// In the order of the kernel's base chains.
std::vector<JudgedDirectory::Station> JudgedDirectory::stations(Judged& world, const Passage& passage) {
  enum Place { from_host_endpoint, from_workload, to_workload, to_host_endpoint, to_host };
  std::vector<Station> found;
  const std::string& in = passage.in_interface;
  const std::string& out = passage.out_interface;
  if (out == "lo") return found;  // loopback is never judged
  const bool into_host = out.empty();
  const auto is_workload = [&](const std::string& link) { return world.endpoints.is_workload_interface(link); };
  const bool discovery = into_host && is_workload(in) && is_workload_discovery(passage.packet);
  for (JudgedLeg& judged : judge(world.endpoints, world.classifier, passage)) {
    const LegPoint point = point_of(judged);
    const bool ingress = judged.leg->direction == Direction::ingress;
    const Place place = point == LegPoint::workload ? (ingress ? to_workload : from_workload)
                                                    : (ingress ? from_host_endpoint : to_host_endpoint);
    if (point == LegPoint::workload && discovery) continue;
    found.push_back({stage_of(point), place, std::move(judged)});
  }
  const auto drop_at = [&](Place place) { found.push_back({Stage::filter, place, std::nullopt}); };
  const auto is_unknown = [&](const std::string& link) {
    return is_workload(link) && world.endpoints.workload_at(link) == nullptr;
  };
  if (is_unknown(in)) drop_at(from_workload);
  if (!in.empty() && is_unknown(out)) drop_at(to_workload);
  const EndpointToHost leave = world.plan.endpoint_to_host;
  const bool refused = leave == EndpointToHost::drop || leave == EndpointToHost::reject;
  if (into_host && is_workload(in) && !discovery && refused) drop_at(to_host);
  std::ranges::stable_sort(found, {}, [](const Station& station) { return std::pair(station.stage, station.place); });
  return found;
}

bool JudgedDirectory::is_observed(const JudgedLeg& pending) const {
  const auto twin = std::ranges::find(enforced_.plan.endpoints, pending.endpoint->id, &PlannedEndpoint::id);
  return drywall::is_observed(enforced_.plan, twin->leg(pending.leg->bucket, pending.leg->direction), pending_.plan,
                              pending.leg);
}

Passage JudgedDirectory::way(const Journey& journey, Tracking tracking) {
  const bool translates = tracking == Tracking::fresh || tracking == Tracking::known;
  return passage_of(journey, translates ? Translates::yes : Translates::no);
}

Outcome JudgedDirectory::expect(const Journey& journey, Tracking tracking) {
  const Passage passage = way(journey, tracking);
  if (tracking == Tracking::known || tracking == Tracking::answer) return {{}, fate_of(passage)};
  const bool invalid = tracking == Tracking::invalid && enforced_.plan.drop_invalid;
  const std::vector<Station> enforced = stations(enforced_, passage);
  const std::vector<Station> pending = stations(pending_, passage);
  Outcome outcome;
  for (const Stage stage : stages) {
    for (const Station& station : pending) {
      if (station.stage != stage || !station.leg || (invalid && stage != Stage::raw)) continue;
      if (is_observed(*station.leg)) add_logs(outcome.logs, World::pending, *station.leg, passage);
    }
    for (const Station& station : enforced) {
      if (station.stage != stage) continue;
      const bool drops = !station.leg || (invalid && stage != Stage::raw);
      if (!drops) add_logs(outcome.logs, World::enforced, *station.leg, passage);
      if (!drops && station.leg->decision.verdict != Verdict::deny) continue;
      outcome.fate = "dropped";
      return outcome;
    }
  }
  outcome.fate = fate_of(passage);
  return outcome;
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
