// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policy/classifier.h"
#include "policy/evaluate.h"
#include "policy/plan.h"

namespace drywall {

/// A packet and what is known of its way through the host.
struct Passage {
  Packet packet;                                // after any DNAT
  std::string in_interface;                     // empty: not given
  std::string out_interface;                    // empty: not given
  std::optional<Address> original_destination;  // before DNAT; seen by untracked and preDNAT policy
  std::optional<std::uint16_t> original_destination_port;
};

/// The packet as a bucket sees it: untracked and preDNAT policy judge it before DNAT.
[[nodiscard]] Packet seen_in(Bucket bucket, const Passage& passage);

/// An address of the host itself; `interface` is empty if it does not matter.
struct LocalAddress {
  Address address;
  std::string interface;
};

/// Which endpoint of a plan owns an address or an interface.
class EndpointMap {
 public:
  EndpointMap(const Plan& plan, const std::vector<LocalAddress>& local_addresses);

  /// The local endpoint that owns the address: workloads' networks, then host endpoints' expectedIPs, then the host's
  /// own addresses by their interface; nullptr: none.
  [[nodiscard]] const PlannedEndpoint* owner(const Address& address) const;
  /// The workload behind an interface, or behind a bridge of that name if it owns the address; nullptr: none.
  [[nodiscard]] const PlannedEndpoint* workload_at(std::string_view interface, const Address& address) const;
  /// The host endpoint that governs an interface, the wildcard one included; never a workload's interface.
  [[nodiscard]] const PlannedEndpoint* host_at(std::string_view interface) const;
  /// True if a packet of that address uses the interface as a workload's, known or not.
  [[nodiscard]] bool is_workload_at(std::string_view interface, const Address& address) const;
  [[nodiscard]] const Plan& plan() const { return plan_; }

 private:
  struct AddressHash {
    std::size_t operator()(const Address& address) const;
  };
  const Plan& plan_;
  std::unordered_map<Address, const PlannedEndpoint*, AddressHash> by_address_;
  std::map<std::string, const PlannedEndpoint*, std::less<>> workloads_;
  std::map<std::string, const PlannedEndpoint*, std::less<>> hosts_;
  const PlannedEndpoint* wildcard_ = nullptr;
};

/// What one leg does to the packet.
struct JudgedLeg {
  const PlannedEndpoint* endpoint;
  const PlannedLeg* leg;
  Decision decision;
};

/// Every leg that judges the packet, in the order of its way. Without interfaces: the egress of the endpoint that owns
/// the source, then the ingress of the one that owns the destination. With them: the host endpoints and buckets of the
/// way from one to the other. An untracked or preDNAT Allow spares the packet that endpoint's later buckets.
///   classifier  of the same plan as `endpoints`
[[nodiscard]] std::vector<JudgedLeg> judge(const EndpointMap& endpoints, Classifier& classifier,
                                           const Passage& passage);

}  // namespace drywall
