// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/differential/station.h"

#include <algorithm>

#include "tests/differential/besides_policy.h"

namespace drywall::test {
namespace {

bool is_early(Bucket bucket) {
  return bucket == Bucket::untracked || bucket == Bucket::pre_dnat;
}

Step step_of(Bucket bucket) {
  if (bucket == Bucket::untracked) return Step::raw;
  return bucket == Bucket::pre_dnat ? Step::mangle : Step::filter;
}

/// One world's stations on a packet's way, in the order of the kernel's base chains.
class Walk {
 public:
  Walk(JudgedWorld& world, const Passage& passage) : world_(world), passage_(passage) {
    if (passage.out_interface == "lo") return;  // loopback is never judged
    for (JudgedLeg& judged : judge(world.endpoints, world.classifier, passage)) add(std::move(judged));
    add_exempt_pre_dnat();
    add_drops();
    std::ranges::stable_sort(stations_, {}, [](const Station& s) { return std::pair(s.step, s.place); });
  }

  std::vector<Station> take() { return std::move(stations_); }

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
      stations_.push_back({step_of(of), place_of(endpoint, direction), kind, &endpoint, of, direction, decision});
    };
    station(Station::Kind::judges, bucket, judged.decision);
    if (!is_early(bucket) || judged.decision.verdict == Verdict::undecided) return;
    for (const Bucket later : spared_by(bucket, direction)) {
      // Behind DNAT the pending world says what was decided before it even where it has no leg.
      const bool tells = later == Bucket::forward && world_.plan.world == World::pending;
      if (tells || endpoint.leg(later, direction) != nullptr) station(Station::Kind::spared, later, judged.decision);
    }
  }

  /// judge() leaves out what an exemption lets through in silence; an invalid packet is dropped there all the same.
  void add_exempt_pre_dnat() {
    if (passage_.in_interface.empty()) return;
    const PlannedEndpoint* host = world_.endpoints.host_at(passage_.in_interface);
    if (host == nullptr || host->leg(Bucket::pre_dnat, Direction::ingress) == nullptr) return;
    if (std::ranges::find(stations_, Step::mangle, &Station::step) != stations_.end()) return;
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

  JudgedWorld& world_;
  const Passage& passage_;
  std::vector<Station> stations_;
};

}  // namespace

std::vector<Station> stations(JudgedWorld& world, const Passage& passage) {
  return Walk(world, passage).take();
}

bool is_exempt(const Station& station, const Passage& passage, Tracking tracking) {
  if (station.endpoint->id.kind == EndpointKind::workload)
    return passage.out_interface.empty() && is_workload_discovery(passage.packet);
  return station.step != Step::raw && tracking == Tracking::invalid &&
         may_be_about_untracked_flow(*station.endpoint, passage.packet);
}

LegPoint point_of(const Station& station) {
  if (station.endpoint->id.kind == EndpointKind::workload) return LegPoint::workload;
  switch (station.bucket) {
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

}  // namespace drywall::test
