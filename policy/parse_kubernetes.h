// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "policy/draft.h"
#include "policy/parse_port.h"

namespace drywall::reading {

/// NetworkPolicy of networking.k8s.io/v1, and StagedKubernetesNetworkPolicy: converted to Calico's form as Calico does
/// (libcalico-go/lib/backend/k8s/conversion/conversion.go), except that what it would drop is a mistake.
void read_kubernetes_policy(Document& document, PolicyKind kind);

/// The ports of a Kubernetes rule for one protocol, or for any (then only names).
struct ProtocolPorts {
  std::optional<Protocol> protocol;
  PortList ports;  // empty: every port
};

/// One entry of a Kubernetes rule's ports.
struct PortEntry {
  std::string_view protocol;  // "SCTP", "TCP", "UDP"; empty: any, with a port's name
  std::optional<Port> port;   // nothing: every port
};
/// The entries joined by protocol, any first, then in the order of the protocols' names; none: one of any protocol. An
/// entry without port stands for every port of its protocol, whatever the others say.
[[nodiscard]] std::vector<ProtocolPorts> by_protocol(std::vector<PortEntry> entries);

/// Adds every pair of peer and protocol as a rule: protocols outside, peers inside, as Calico numbers them.
///   node       the rule in the file
///   prototype  what all of them have in common
///   peers      what matches the other side; one without criteria for "any"
void append_rules(Document& document, const yaml::Node& node, std::vector<Rule>& rules, const Rule& prototype,
                  Direction direction, const std::vector<EntityMatch>& peers,
                  const std::vector<ProtocolPorts>& protocols);

[[nodiscard]] std::optional<Family> family_of(const std::vector<Prefix>& nets, const std::vector<Prefix>& not_nets);

}  // namespace drywall::reading
