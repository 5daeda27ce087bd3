// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "policy/plan.h"
#include "render/bytes.h"
#include "render/hook_plan.h"
#include "render/layer_builder.h"

namespace drywall {

inline Field interface_field(InterfaceSide side) {
  return side == InterfaceSide::in ? Field::in_interface : Field::out_interface;
}
inline Field index_field(InterfaceSide side) {
  return side == InterfaceSide::in ? Field::in_index : Field::out_index;
}
/// The address of the workload whose packet it is: what comes in from it has it as source, what goes out as
/// destination.
inline Field workload_address_field(InterfaceSide side) {
  return side == InterfaceSide::in ? Field::source_address : Field::destination_address;
}

inline Match interface_begins_with(InterfaceSide side, const std::string& prefix) {
  return FieldIs{interface_field(side), Compare::equal, {}, Bytes(prefix.begin(), prefix.end())};
}

inline Bytes interface_and_address(const std::string& interface, const Address& address) {
  Bytes key = interface_bytes(interface);
  const Bytes bytes = bytes_of(address);
  key.insert(key.end(), bytes.begin(), bytes.end());
  return key;
}

/// A workload behind a bridge, by what its routed packets show.
using BridgedAddress = std::pair<std::string, Address>;

/// The endpoints that are judged at a hook, by the interface that the packet uses there.
struct Dispatched {
  std::map<std::string, PlacedLeg> exact;  // by interface name
  std::map<BridgedAddress, PlacedLeg> bridged;
  std::optional<PlacedLeg> wildcard;
  std::set<std::string> elsewhere;  // interfaces of endpoints that nothing here concerns: not the wildcard's either

  [[nodiscard]] bool empty() const { return exact.empty() && bridged.empty() && !wildcard; }
};

/// The interfaces and bridged addresses of a plan's local workloads.
struct WorkloadPlaces {
  std::set<std::string> interfaces;
  std::set<BridgedAddress> bridged;
};
inline WorkloadPlaces workload_places(const Plan& plan) {
  WorkloadPlaces places;
  for (const PlannedEndpoint& endpoint : plan.endpoints) {
    if (!endpoint.local || endpoint.id.kind != EndpointKind::workload) continue;
    places.interfaces.insert(endpoint.interfaces.begin(), endpoint.interfaces.end());
    if (endpoint.bridge.empty()) continue;
    for (const Address& address : endpoint.addresses) places.bridged.emplace(endpoint.bridge, address);
  }
  return places;
}

/// Appends the rules that lead a packet to its endpoint's chain: by bridge and address, then by exact interface name,
/// then, if there is one, to the wildcard's. An interface that another endpoint governs never falls to the wildcard,
/// nor, at the host's own hooks, does a workload's packet: host to workload, and workload to host, are not normal host
/// policy. Forwarded traffic of the wildcard's policy may have a workload at either end, and preDNAT policy sees what
/// workloads send.
template <Stance S>
class Dispatcher {
 public:
  Dispatcher(LayerBuilder<S>& builder, Family family, const WorkloadPlaces& workloads, const LegHook& hook,
             std::vector<NftRule<S>>& rules)
      : builder_(builder),
        family_(family),
        workloads_(workloads),
        hook_(hook),
        rules_(rules),
        name_(fmt::format("{}-{}", to_string(builder.world()), hook.name)) {}

  void add(const Dispatched& legs) {
    const bool sent = hook_.point == LegPoint::untracked && hook_.direction == Direction::egress;
    if (hook_.point == LegPoint::host || sent) spare_workloads(legs);
    add_bridged(legs);
    add_exact(legs);
    if (!legs.wildcard) return;
    if (hook_.point == LegPoint::host) {
      for (const std::string& prefix : builder_.plan().workload_prefixes)
        rules_.push_back(rule_ending<S>(Accept{}, {interface_begins_with(hook_.side, prefix)}));
    }
    rules_.push_back(rule_ending<S>(Goto<S>{builder_.endpoint_chain(hook_, *legs.wildcard)}));
  }

 private:
  using Map = VerdictMap<S>;

  [[nodiscard]] Map bridged_map(const char* what) const {
    return {name_ + what, {interface_field(hook_.side), workload_address_field(hook_.side)}, false, {}};
  }

  /// What a bridged workload sends the host, or the host it, uses an interface that may be a host endpoint's.
  void spare_workloads(const Dispatched& legs) {
    if (legs.empty()) return;
    Map map = bridged_map("-not-workloads");
    for (const auto& [bridge, address] : workloads_.bridged) {
      if (address.family == family_) add_entry<S>(map, interface_and_address(bridge, address), Accept{});
    }
    builder_.chains().look_up(rules_, std::move(map));
  }

  void add_bridged(const Dispatched& legs) {
    Map map = bridged_map("-bridged");
    for (const auto& [place, leg] : legs.bridged) {
      if (place.second.family != family_) continue;
      add_entry<S>(map, interface_and_address(place.first, place.second), Goto<S>{builder_.endpoint_chain(hook_, leg)});
    }
    builder_.chains().look_up(rules_, std::move(map));
  }

  void add_exact(const Dispatched& legs) {
    Map map{name_, {interface_field(hook_.side)}, false, {}};
    for (const auto& [interface, leg] : legs.exact) {
      add_entry<S>(map, interface_bytes(interface), Goto<S>{builder_.endpoint_chain(hook_, leg)});
    }
    if (legs.wildcard) {
      std::set<std::string> spared = legs.elsewhere;
      if (hook_.point == LegPoint::host) spared.insert(workloads_.interfaces.begin(), workloads_.interfaces.end());
      for (const std::string& interface : spared) {
        if (!legs.exact.contains(interface)) add_entry<S>(map, interface_bytes(interface), Accept{});
      }
    }
    builder_.chains().look_up(rules_, std::move(map));
  }

  LayerBuilder<S>& builder_;
  Family family_;
  const WorkloadPlaces& workloads_;
  const LegHook& hook_;
  std::vector<NftRule<S>>& rules_;
  std::string name_;
};

}  // namespace drywall
