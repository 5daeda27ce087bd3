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
enum class Step : std::uint8_t { raw, mangle, filter };

bool is_early(Bucket bucket) {
  return bucket == Bucket::untracked || bucket == Bucket::pre_dnat;
}

Step stage_of(Bucket bucket) {
  if (bucket == Bucket::untracked) return Step::raw;
  return bucket == Bucket::pre_dnat ? Step::mangle : Step::filter;
}

LegPoint point_of(const PlannedEndpoint& endpoint, Bucket bucket) {
  if (endpoint.id.kind == EndpointKind::workload) return LegPoint::workload;
  switch (bucket) {
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

template <std::size_t N>
bool is_icmp(const Packet& packet, Family family, const std::array<std::uint8_t, N>& types) {
  return packet.source.family == family &&
         packet.protocol == (family == Family::v4 ? protocol::icmp : protocol::icmpv6) &&
         std::ranges::find(types, packet.icmp_type) != types.end();
}

/// Neighbour and router solicitation and listener reports, from a workload to the host.
bool is_workload_discovery(const Packet& packet) {
  return is_icmp(packet, Family::v6, std::array<std::uint8_t, 6>{130, 131, 132, 133, 135, 136});
}

/// An ICMP error that may be about a flow which untracked policy keeps from connection tracking.
bool may_be_about_untracked_flow(const PlannedEndpoint& endpoint, const Packet& packet) {
  const bool untracks = std::ranges::any_of(endpoint.legs, [](auto& leg) { return leg.bucket == Bucket::untracked; });
  return untracks && (is_icmp(packet, Family::v4, std::array<std::uint8_t, 3>{3, 11, 12}) ||
                      is_icmp(packet, Family::v6, std::array<std::uint8_t, 4>{1, 2, 3, 4}));
}

bool contains(const Prefix& prefix, const Address& address) {
  return prefix.base.family == address.family && masked({address, prefix.length}) == masked(prefix);
}

/// What a machine sends that has no address yet.
bool is_beginner(const Packet& packet) {
  const Address& source = packet.source;
  if (source.family == Family::v4) {
    return source.low == 0 && packet.protocol == protocol::udp && packet.source_port == 68 &&
           packet.destination_port == 67;
  }
  if (source.high >> 54U == 0xfe80U >> 6U) return true;
  return source.high == 0 && source.low == 0 && is_icmp(packet, Family::v6, std::array<std::uint8_t, 2>{135, 143});
}

/// A workload that gives an address that is not its own is not heard.
bool is_spoofed(const PlannedEndpoint& workload, const Packet& packet) {
  if (is_beginner(packet)) return false;
  const auto holds = [&](const Prefix& allowed) { return contains(allowed, packet.source); };
  if (std::ranges::any_of(workload.allowed_spoofed_sources, holds)) return false;
  return std::ranges::find(workload.addresses, packet.source) == workload.addresses.end();
}

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

/// A base chain that a packet comes to: a leg, or what is no leg of a plan but drops packets all the same.
struct JudgedDirectory::Station {
  enum class Kind : std::uint8_t {
    judges,
    spared,  // an earlier bucket of the endpoint has decided: `decision` is its
    drops,
  };
  Step stage;
  int place;  // among those of one hook
  Kind kind;
  const PlannedEndpoint* endpoint = nullptr;
  Bucket bucket = Bucket::normal;
  Direction direction = Direction::ingress;
  Decision decision = {};
};

/// One world's stations on a packet's way, in the order of the kernel's base chains.
class JudgedDirectory::Walk {
 public:
  Walk(Judged& world, const Passage& passage) : world_(world), passage_(passage) {
    if (passage.out_interface == "lo") return;  // loopback is never judged
    for (JudgedLeg& judged : judge(world.endpoints, world.classifier, passage)) add(std::move(judged));
    add_exempt_pre_dnat();
    add_drops();
    std::ranges::stable_sort(stations_, {}, [](const Station& s) { return std::pair(s.stage, s.place); });
  }

  [[nodiscard]] const std::vector<Station>& stations() const { return stations_; }
  /// What is accepted in silence whatever a leg says.
  [[nodiscard]] bool is_exempt(const Station& station, Tracking tracking) const {
    const Packet& packet = passage_.packet;
    if (station.endpoint->id.kind == EndpointKind::workload) return into_host() && is_workload_discovery(packet);
    return station.stage != Step::raw && tracking == Tracking::invalid &&
           may_be_about_untracked_flow(*station.endpoint, packet);
  }
  [[nodiscard]] bool is_dropped_at_source() const {
    return std::ranges::any_of(world_.plan.endpoints, [&](const PlannedEndpoint& endpoint) {
      if (!endpoint.local || endpoint.id.kind != EndpointKind::workload || endpoint.addresses.empty()) return false;
      // Which port of a bridge a packet came from is not seen: there a route back is enough.
      if (!endpoint.bridge.empty() && endpoint.bridge == passage_.in_interface)
        return !is_beginner(passage_.packet) && link_to(passage_.packet.source) != endpoint.bridge;
      const bool own = std::ranges::find(endpoint.interfaces, passage_.in_interface) != endpoint.interfaces.end();
      return own && is_spoofed(endpoint, passage_.packet);
    });
  }

 private:
  enum Place { from_host_endpoint, from_workload, to_workload, to_host_endpoint, to_host };

  [[nodiscard]] bool into_host() const { return passage_.out_interface.empty(); }
  [[nodiscard]] bool is_from_workload() const {
    return world_.endpoints.is_workload_at(passage_.in_interface, passage_.packet.source);
  }

  static Place place_of(const PlannedEndpoint& endpoint, Direction direction) {
    const bool ingress = direction == Direction::ingress;
    if (endpoint.id.kind == EndpointKind::workload) return ingress ? to_workload : from_workload;
    return ingress ? from_host_endpoint : to_host_endpoint;
  }

  /// The legs of the endpoint that are still to come, which a verdict of this bucket spares the packet.
  [[nodiscard]] std::vector<Bucket> spared_by(Bucket bucket, Direction direction) const {
    std::vector<Bucket> buckets;
    if (bucket == Bucket::untracked && direction == Direction::ingress) buckets.push_back(Bucket::pre_dnat);
    if (!into_host() && !passage_.in_interface.empty()) {
      buckets.push_back(Bucket::forward);
    } else if (!is_from_workload()) {
      buckets.push_back(Bucket::normal);
    }
    return buckets;
  }

  void add(JudgedLeg judged) {
    const PlannedEndpoint& endpoint = *judged.endpoint;
    const auto [bucket, direction] = std::pair(judged.leg->bucket, judged.leg->direction);
    const auto station = [&](Station::Kind kind, Bucket of, const Decision& decision) {
      stations_.push_back({stage_of(of), place_of(endpoint, direction), kind, &endpoint, of, direction, decision});
    };
    station(Station::Kind::judges, bucket, judged.decision);
    if (!is_early(bucket) || judged.decision.verdict == Verdict::undecided) return;
    for (const Bucket later : spared_by(bucket, direction)) {
      if (endpoint.leg(later, direction) != nullptr) station(Station::Kind::spared, later, judged.decision);
    }
  }

  /// judge() leaves out what an exemption lets through in silence; an invalid packet is dropped there all the same.
  void add_exempt_pre_dnat() {
    if (passage_.in_interface.empty()) return;
    const PlannedEndpoint* host = world_.endpoints.host_at(passage_.in_interface);
    if (host == nullptr || host->leg(Bucket::pre_dnat, Direction::ingress) == nullptr) return;
    if (std::ranges::find(stations_, Step::mangle, &Station::stage) != stations_.end()) return;
    stations_.push_back({Step::mangle, from_host_endpoint, Station::Kind::judges, host, Bucket::pre_dnat});
  }

  /// A workload's interface without a workload, and what workloads may not say to the host.
  void add_drops() {
    const auto drop_at = [&](Place place) { stations_.push_back({Step::filter, place, Station::Kind::drops}); };
    const Packet& packet = passage_.packet;
    const auto is_unknown = [&](const std::string& link, const Address& address) {
      return world_.endpoints.is_workload_at(link, address) && world_.endpoints.workload_at(link, address) == nullptr;
    };
    if (is_unknown(passage_.in_interface, packet.source)) drop_at(from_workload);
    if (!passage_.in_interface.empty() && is_unknown(passage_.out_interface, packet.destination)) drop_at(to_workload);
    const EndpointToHost leave = world_.plan.endpoint_to_host;
    const bool refused = leave == EndpointToHost::drop || leave == EndpointToHost::reject;
    if (refused && into_host() && is_from_workload() && !is_workload_discovery(packet)) drop_at(to_host);
  }

  Judged& world_;
  const Passage& passage_;
  std::vector<Station> stations_;
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

/// What a station leaves in the log; what is essential is silent, and so are failsafes before normal policy.
std::vector<RuleTag> JudgedDirectory::logs_of(World world, const Station& station) const {
  const LegPoint point = point_of(*station.endpoint, station.bucket);
  const auto tag = [&](Action action, RuleId id) { return RuleTag{world, point, station.direction, action, id}; };
  if (station.kind == Station::Kind::spared) {
    const Action action = station.decision.verdict == Verdict::allow ? Action::allow : Action::deny;
    if (!is_observed(station)) return {};
    return {tag(action, decided_before_id(station.direction))};
  }
  std::vector<RuleTag> tags;
  for (const TraceEntry& entry : station.decision.trace) {
    if (entry.kind == PolicyKind::essential) continue;
    tags.push_back(tag(entry.action, entry.name.empty()
                                         ? no_profile_id(station.direction)
                                         : rule_id({entry.kind, entry.ns, entry.name}, station.direction, entry.rule)));
  }
  return tags;
}

bool JudgedDirectory::can_tell(const Journey& journey) const {
  const bool rerouted =
      passage_of(journey, Translates::no).out_interface != passage_of(journey, Translates::yes).out_interface;
  if (!journey.in.empty() || !rerouted) return true;
  const auto untracks = [](const PlannedEndpoint& endpoint) {
    return endpoint.leg(Bucket::untracked, Direction::egress) != nullptr;
  };
  return std::ranges::none_of(enforced_.plan.endpoints, untracks) &&
         std::ranges::none_of(pending_.plan.endpoints, untracks);
}

Expected JudgedDirectory::expect(const Journey& journey, Tracking tracking) {
  Outcome outcome;
  const auto dropped = [&] {
    outcome.fate = "dropped";
    return Expected{outcome, false};
  };
  const auto meet = [&](Step stage, const Passage& passage) {
    Walk enforced(enforced_, passage);
    Walk pending(pending_, passage);
    const auto add_logs = [&](World world, const Station& station) {
      for (const RuleTag& tag : logs_of(world, station))
        outcome.logs.push_back({tag, seen_in(station.bucket, passage)});
    };
    const auto is_invalid = [&](const Plan& plan) {
      return stage != Step::raw && tracking == Tracking::invalid && plan.drop_invalid;
    };
    for (const Station& station : pending.stations()) {
      if (station.stage != stage || station.kind == Station::Kind::drops || is_invalid(pending_.plan)) continue;
      if (!is_observed(station)) continue;
      if (pending.is_exempt(station, tracking)) continue;
      add_logs(World::pending, station);
    }
    for (const Station& station : enforced.stations()) {
      if (station.stage != stage) continue;
      if (station.kind == Station::Kind::drops) return Verdict::deny;
      if (enforced.is_exempt(station, tracking)) continue;
      if (is_invalid(enforced_.plan)) return Verdict::deny;
      add_logs(World::enforced, station);
      const Verdict verdict = station.decision.verdict;
      if (verdict == Verdict::deny) return verdict;
      if (stage == Step::raw && verdict == Verdict::allow) tracking = Tracking::untracked;
    }
    if (stage == Step::raw && enforced.is_dropped_at_source()) return Verdict::deny;
    return Verdict::allow;
  };
  if (meet(Step::raw, passage_of(journey, Translates::no)) == Verdict::deny) return dropped();
  const bool first_direction = tracking == Tracking::fresh || tracking == Tracking::known;
  const Passage passage = passage_of(journey, first_direction ? Translates::yes : Translates::no);
  if (tracking != Tracking::known && tracking != Tracking::answer) {
    for (const Step stage : {Step::mangle, Step::filter}) {
      if (meet(stage, passage) == Verdict::deny) return dropped();
    }
  }
  outcome.fate = fate_of(passage);
  return {outcome, tracking == Tracking::fresh};
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
