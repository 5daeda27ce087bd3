// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <vector>

#include "policy/draft.h"

namespace drywall::reading {

/// NetworkPolicy of networking.k8s.io/v1, and StagedKubernetesNetworkPolicy: converted to Calico's form as Calico does
/// (libcalico-go/lib/backend/k8s/conversion/conversion.go), except that what it would drop is a mistake.
void read_kubernetes_policy(Document& document, PolicyKind kind);

/// The ports of a Kubernetes rule for one protocol, or for any (then only names).
struct ProtocolPorts {
  std::optional<Protocol> protocol;
  PortList ports;  // empty: every port
};

/// Adds every pair of peer and protocol as a rule: protocols outside, peers inside, as Calico numbers them.
///   node       the rule in the file
///   prototype  what all of them have in common
///   peers      what matches the other side; one without criteria for "any"
void append_rules(Document& document, const yaml::Node& node, std::vector<Rule>& rules, const Rule& prototype,
                  Direction direction, const std::vector<EntityMatch>& peers,
                  const std::vector<ProtocolPorts>& protocols);

/// A sequence of ports as Calico merges it: ranges sorted and joined if there are several.
void simplify(PortList& ports);

[[nodiscard]] std::optional<Family> family_of(const std::vector<Prefix>& nets, const std::vector<Prefix>& not_nets);

}  // namespace drywall::reading
