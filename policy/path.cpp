// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/path.h"

#include <algorithm>

namespace drywall {
namespace {

bool is_early(Bucket bucket) {
  return bucket == Bucket::untracked || bucket == Bucket::pre_dnat;
}

/// Judges the packet bucket by bucket and keeps what came of it.
class Walk {
 public:
  Walk(Classifier& classifier, const Passage& passage) : classifier_(classifier), passage_(passage) {}

  /// The buckets of one endpoint and direction in turn; true if the packet was allowed before the last of them.
  bool through(const PlannedEndpoint* endpoint, Direction direction, std::initializer_list<Bucket> buckets) {
    if (endpoint == nullptr) return false;
    for (const Bucket bucket : buckets) {
      const PlannedLeg* leg = endpoint->leg(bucket, direction);
      if (leg == nullptr) continue;
      Decision decision = classifier_.evaluate(*leg, seen_in(bucket, passage_));
      // What keeps a host alive passes untracked and preDNAT policy unasked, and is judged by what comes after.
      if (is_early(bucket) && is_exempt(decision.trace)) continue;
      const Verdict verdict = decision.verdict;
      if (verdict != Verdict::undecided || !decision.trace.empty())
        judged_.push_back({endpoint, leg, std::move(decision)});
      if (verdict != Verdict::undecided) return is_early(bucket);
    }
    return false;
  }

  std::vector<JudgedLeg> take() { return std::move(judged_); }

 private:
  Classifier& classifier_;
  const Passage& passage_;
  std::vector<JudgedLeg> judged_;
};

constexpr std::initializer_list<Bucket> to_host{Bucket::untracked, Bucket::pre_dnat, Bucket::normal};
constexpr std::initializer_list<Bucket> from_host{Bucket::untracked, Bucket::normal};

void between_owners(const EndpointMap& endpoints, const Packet& packet, Walk& walk) {
  walk.through(endpoints.owner(packet.source), Direction::egress, from_host);
  walk.through(endpoints.owner(packet.destination), Direction::ingress, to_host);
}

void into_host(const EndpointMap& endpoints, const Passage& passage, Walk& walk) {
  const PlannedEndpoint* host = endpoints.host_at(passage.in_interface);
  const Address& source = passage.packet.source;
  if (!endpoints.is_workload_at(passage.in_interface, source)) {
    walk.through(host, Direction::ingress, to_host);
    return;
  }
  // A workload's packet meets what the interface's host endpoint, mostly the wildcard, says before DNAT, then the
  // workload's egress policy, never the host's normal policy.
  walk.through(host, Direction::ingress, {Bucket::untracked, Bucket::pre_dnat});
  walk.through(endpoints.workload_at(passage.in_interface, source), Direction::egress, {Bucket::normal});
}

void out_of_host(const EndpointMap& endpoints, const Passage& passage, Walk& walk) {
  const bool to_workload = endpoints.is_workload_at(passage.out_interface, passage.packet.destination);
  const PlannedEndpoint* host = endpoints.host_at(passage.out_interface);
  if (to_workload) return;  // host to workload is never policed
  walk.through(host, Direction::egress, from_host);
}

void forwarded(const EndpointMap& endpoints, const Passage& passage, Walk& walk) {
  walk.through(endpoints.host_at(passage.in_interface), Direction::ingress,
               {Bucket::untracked, Bucket::pre_dnat, Bucket::forward});
  walk.through(endpoints.workload_at(passage.in_interface, passage.packet.source), Direction::egress, {Bucket::normal});
  walk.through(endpoints.workload_at(passage.out_interface, passage.packet.destination), Direction::ingress,
               {Bucket::normal});
  walk.through(endpoints.host_at(passage.out_interface), Direction::egress, {Bucket::forward});
}

}  // namespace

Packet seen_in(Bucket bucket, const Passage& passage) {
  Packet packet = passage.packet;
  if (!is_early(bucket)) return packet;
  packet.destination = passage.original_destination.value_or(packet.destination);
  packet.destination_port = passage.original_destination_port.value_or(packet.destination_port);
  return packet;
}

std::size_t EndpointMap::AddressHash::operator()(const Address& address) const {
  return static_cast<std::size_t>((address.high * 0x9e3779b97f4a7c15U) ^ (address.low * 0xc2b2ae3d27d4eb4fU));
}

EndpointMap::EndpointMap(const Plan& plan, const std::vector<LocalAddress>& local_addresses) : plan_(plan) {
  for (const EndpointKind kind : {EndpointKind::workload, EndpointKind::host}) {
    for (const PlannedEndpoint& endpoint : plan.endpoints) {
      if (!endpoint.local || endpoint.id.kind != kind) continue;
      for (const Address& address : endpoint.addresses) by_address_.emplace(address, &endpoint);
      for (const std::string& interface : endpoint.interfaces) {
        if (interface == "*") {
          wildcard_ = &endpoint;
        } else {
          (kind == EndpointKind::workload ? workloads_ : hosts_).emplace(interface, &endpoint);
        }
      }
    }
  }
  for (const LocalAddress& local : local_addresses) {
    if (const PlannedEndpoint* host = host_at(local.interface)) by_address_.emplace(local.address, host);
  }
}

const PlannedEndpoint* EndpointMap::owner(const Address& address) const {
  const auto found = by_address_.find(address);
  return found == by_address_.end() ? nullptr : found->second;
}

const PlannedEndpoint* EndpointMap::workload_at(std::string_view interface, const Address& address) const {
  if (const auto found = workloads_.find(interface); found != workloads_.end()) return found->second;
  const PlannedEndpoint* bridged = interface.empty() ? nullptr : owner(address);
  return bridged != nullptr && bridged->bridge == interface ? bridged : nullptr;
}

const PlannedEndpoint* EndpointMap::host_at(std::string_view interface) const {
  if (interface == "lo") return nullptr;  // never policed: docs/policy.md, what is always allowed
  const auto found = hosts_.find(interface);
  return found == hosts_.end() ? wildcard_ : found->second;
}

bool EndpointMap::is_workload_at(std::string_view interface, const Address& address) const {
  return workload_at(interface, address) != nullptr ||
         std::ranges::any_of(plan_.workload_prefixes,
                             [&](const std::string& prefix) { return interface.starts_with(prefix); });
}

std::vector<JudgedLeg> judge(const EndpointMap& endpoints, Classifier& classifier, const Passage& passage) {
  Walk walk(classifier, passage);
  if (!passage.in_interface.empty() && !passage.out_interface.empty()) {
    forwarded(endpoints, passage, walk);
  } else if (!passage.in_interface.empty()) {
    into_host(endpoints, passage, walk);
  } else if (!passage.out_interface.empty()) {
    out_of_host(endpoints, passage, walk);
  } else {
    between_owners(endpoints, passage.packet, walk);
  }
  return walk.take();
}

}  // namespace drywall
