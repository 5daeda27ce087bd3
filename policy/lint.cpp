// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/lint.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "policy/population.h"
#include "policy/scoped_selector.h"

namespace drywall {
namespace {

void warn(Diagnostics& out, const SourceLocation& at, std::string_view code, std::string message, std::string help) {
  Diagnostic diagnostic;
  diagnostic.at = at;
  diagnostic.severity = Severity::warning;
  diagnostic.code = code;
  diagnostic.message = std::move(message);
  diagnostic.help = std::move(help);
  out.push_back(std::move(diagnostic));
}

bool is_kubernetes(PolicyKind kind) {
  const PolicyKind enforced = enforced_kind(kind);
  return enforced == PolicyKind::kubernetes_network_policy || enforced == PolicyKind::cluster_network_policy;
}

bool is_deletion(const Policy& policy) {
  return policy.staged_action == StagedAction::remove;
}

/// A policy that governs nobody, for whatever reason. Each distinct subject is looked at once.
class SubjectLint {
 public:
  SubjectLint(const Inventory& inventory, Population& population, Diagnostics& out)
      : inventory_(inventory), population_(population), out_(out) {}

  void check(const Policy& policy) {
    const Selector governed = governed_endpoints(policy);
    if (population_.any_matches(governed, Population::Among::endpoints)) return;
    const auto host =
        is_kubernetes(policy.id.kind) ? population_.host_as_workload(governed, policy.id.ns) : std::nullopt;
    if (host) {
      warn(out_, policy.at, "kubernetes-policy-on-host",
           fmt::format(
               "{} governs nobody: HostEndpoint {} has the labels, but Kubernetes policies govern only workloads",
               to_string(policy.id), inventory_.host_endpoints[*host].name),
           "write a GlobalNetworkPolicy of projectcalico.org/v3 with the same selector");
      return;
    }
    warn(out_, policy.at, "selects-nobody",
         fmt::format("{} selects no endpoint: none matches {}", to_string(policy.id), governed.canonical()),
         "compare the selector with the labels of the endpoints");
  }

 private:
  const Inventory& inventory_;
  Population& population_;
  Diagnostics& out_;
};

/// The criteria of one side that select endpoints, as text: equal texts select the same.
std::string key_of(const EntityMatch& side, std::string_view ns) {
  std::string key(ns);
  for (const auto* selector :
       {&side.selector, &side.not_selector, &side.namespace_selector, &side.service_account_selector}) {
    key += '\n';
    if (*selector) key += (*selector)->canonical();
  }
  for (const std::string& name : side.service_account_names) {
    key += '\n';
    key += name;
  }
  return key;
}

bool selects(const EntityMatch& side) {
  return side.selector || side.namespace_selector || side.service_account_selector ||
         !side.service_account_names.empty();
}

/// Rules that match nothing because nobody is there whom they name.
class PeerLint {
 public:
  PeerLint(const Inventory& inventory, Population& population, Diagnostics& out) : population_(population), out_(out) {
    for (const HostEndpoint& endpoint : inventory.host_endpoints) add_ports(endpoint.ports);
    for (const WorkloadEndpoint& endpoint : inventory.workload_endpoints) add_ports(endpoint.ports);
    for (const Service& service : inventory.services) services_.emplace(service.ns, service.name);
  }

  void check(const Policy& policy) {
    for (const std::vector<Rule>* rules : {&policy.ingress, &policy.egress}) {
      for (const Rule& rule : *rules) {
        check_side(rule, rule.source, "source", policy.id.ns);
        check_side(rule, rule.destination, "destination", policy.id.ns);
      }
    }
  }

 private:
  void add_ports(const std::vector<NamedPort>& ports) {
    for (const NamedPort& port : ports) port_names_.insert(port.name);
  }

  void check_side(const Rule& rule, const EntityMatch& side, std::string_view which, std::string_view ns) {
    if (population_.has_endpoints() && selects(side)) check_selector(rule, side, which, ns);
    for (const std::string& name : side.ports.names) {
      if (!population_.has_endpoints() || port_names_.count(name) != 0) continue;
      warn(out_, rule.at, "unknown-port-name",
           fmt::format("no endpoint has a port named \"{}\": it matches nothing", name),
           "write the port's number, or name the port in the endpoint's \"ports\"");
    }
    if (side.service) check_service(rule, *side.service, ns);
  }

  void check_selector(const Rule& rule, const EntityMatch& side, std::string_view which, std::string_view ns) {
    std::string key = key_of(side, ns);
    if (matching_.count(key) != 0) return;
    const std::optional<Selector> selected = selected_peers(side, ns);
    if (!selected || population_.any_matches(*selected, Population::Among::endpoints_and_sets)) {
      matching_.insert(std::move(key));
      return;
    }
    warn(out_, rule.at, "matches-nobody",
         fmt::format("no endpoint or network set matches the rule's {}: {}", which, selected->canonical()),
         "compare the selector with the labels of the endpoints and network sets");
  }

  void check_service(const Rule& rule, const ServiceReference& service, std::string_view ns) {
    const std::string in = service.ns.empty() ? std::string(ns) : service.ns;
    if (services_.count({in, service.name}) != 0) return;
    warn(out_, rule.at, "unknown-service",
         fmt::format("there is no Service {}/{}: the rule matches nothing", in, service.name),
         "write the Service and its EndpointSlices, or use a selector");
  }

  Population& population_;
  Diagnostics& out_;
  std::unordered_set<std::string> port_names_;
  std::set<std::pair<std::string, std::string>> services_;
  std::unordered_set<std::string> matching_;  // keys of sides that match somebody
};

/// Matches every packet and ends the policy.
bool ends_policy(const Rule& rule) {
  const EntityMatch any;
  return rule.action != Action::log && !rule.family && !rule.protocol && !rule.not_protocol && !rule.icmp &&
         !rule.not_icmp && rule.source == any && rule.destination == any;
}

void check_reached(const Policy& policy, Direction direction, const std::vector<Rule>& rules, Diagnostics& out) {
  const auto end = std::find_if(rules.begin(), rules.end(), ends_policy);
  if (end == rules.end()) return;
  const auto next = std::find_if(end, rules.end(), [&](const Rule& rule) { return rule.at != end->at; });
  if (next == rules.end()) return;
  warn(out, next->at, "never-reached",
       fmt::format("this {} rule of {} is never reached: the rule at {} already matches everything",
                   to_string(direction), to_string(policy.id), to_string(end->at)),
       "put it before that rule, or leave it out");
}

void check_governed(const Policy& policy, Diagnostics& out) {
  for (const Direction direction : {Direction::ingress, Direction::egress}) {
    const bool ingress = direction == Direction::ingress;
    const std::vector<Rule>& rules = ingress ? policy.ingress : policy.egress;
    if (rules.empty() || (ingress ? policy.governs_ingress : policy.governs_egress)) continue;
    warn(out, rules.front().at, "rules-without-type",
         fmt::format("{} does not govern {}: these rules mean nothing", to_string(policy.id), to_string(direction)),
         fmt::format("add {} to {}", ingress ? "Ingress" : "Egress",
                     is_kubernetes(policy.id.kind) ? "policyTypes" : "types"));
  }
}

bool allows(const std::vector<Rule>& rules) {
  return std::any_of(rules.begin(), rules.end(), [](const Rule& rule) { return rule.action == Action::allow; });
}

/// Untracked traffic has no connection: what is allowed one way must be allowed back.
void check_way_back(const Inventory& inventory, const Population& population, Diagnostics& out) {
  std::vector<std::pair<const Policy*, Selector>> untracked;
  for (const Policy& policy : inventory.policies) {
    if (policy.untracked && !is_deletion(policy)) untracked.emplace_back(&policy, governed_endpoints(policy));
  }
  constexpr std::size_t most_trials = 1'000'000;
  if (population.hosts().size() * untracked.size() > most_trials) return;
  for (std::size_t host = 0; host < population.hosts().size(); ++host) {
    const Policy* in = nullptr;
    const Policy* back = nullptr;
    for (const auto& [policy, governed] : untracked) {
      if (!governed.matches(population.hosts()[host])) continue;
      if (in == nullptr && policy->governs_ingress && allows(policy->ingress)) in = policy;
      if (back == nullptr && policy->governs_egress && allows(policy->egress)) back = policy;
    }
    if ((in == nullptr) == (back == nullptr)) continue;
    const Policy& one_way = in != nullptr ? *in : *back;
    warn(out, one_way.at, "untracked-one-way",
         fmt::format("{} allows untracked {} of HostEndpoint {}, but no untracked policy allows anything the other way",
                     to_string(one_way.id), to_string(in != nullptr ? Direction::ingress : Direction::egress),
                     inventory.host_endpoints[host].name),
         "untracked packets have no connection: allow the answers too");
  }
}

/// doNotTrack and preDNAT only mean something for hosts.
void check_host_options(const Policy& policy, Population& population, Diagnostics& out) {
  if (!policy.untracked && !policy.pre_dnat) return;
  const Selector governed = governed_endpoints(policy);
  if (population.any_matches(governed, Population::Among::hosts)) return;
  if (!population.any_matches(governed, Population::Among::workloads)) return;
  warn(out, policy.at, "host-policy-on-workload",
       fmt::format("{} selects only workloads, for which {} policies mean nothing", to_string(policy.id),
                   policy.untracked ? "doNotTrack" : "preDNAT"),
       "select host endpoints, or leave the option out");
}

void check_deletion(const Policy& policy, const SharedList<Policy>& policies, Diagnostics& out) {
  const PolicyId enforced{enforced_kind(policy.id.kind), policy.id.ns, policy.id.name};
  const auto at = std::lower_bound(policies.begin(), policies.end(), enforced,
                                   [](const Policy& p, const PolicyId& id) { return p.id < id; });
  if (at != policies.end() && at->id == enforced) return;
  warn(out, policy.at, "deletes-nothing", fmt::format("there is no {} to delete", to_string(enforced)),
       "write the name of the enforced policy that is to go");
}

void check_addresses(const Inventory& inventory, Diagnostics& out) {
  for (const WorkloadEndpoint& endpoint : inventory.workload_endpoints) {
    if (!endpoint.addresses.empty()) continue;
    warn(out, endpoint.at, "no-addresses",
         fmt::format("WorkloadEndpoint {}/{} has no ipNetworks: no rule can mean it", endpoint.ns, endpoint.name),
         "write its addresses: \"ipNetworks: [192.0.2.1/32]\"");
  }
}

}  // namespace

Diagnostics lint_bridges(const Inventory& inventory, const Host& host) {
  Diagnostics out;
  const auto is_local = [&](const std::string& node) { return host.node.empty() || node == host.node; };
  for (const WorkloadEndpoint& workload : inventory.workload_endpoints) {
    const std::string bridge = host.bridge_of(workload.interface_name);
    if (bridge.empty() || !is_local(workload.node)) continue;
    warn(
        out, workload.at, "behind-bridge",
        fmt::format("{} is a port of the bridge {}: routed traffic of the workload's addresses is policed, not traffic "
                    "inside the bridge (unless bridge-nf-call-iptables shows it to IP rules)",
                    workload.interface_name, bridge),
        "");
  }
  for (const HostEndpoint& endpoint : inventory.host_endpoints) {
    const std::string bridge = host.bridge_of(endpoint.interface_name);
    if (bridge.empty() || !is_local(endpoint.node)) continue;
    warn(out, endpoint.at, "behind-bridge",
         fmt::format("{} is a port of the bridge {}: no packet that this host routes, sends or receives uses it",
                     endpoint.interface_name, bridge),
         fmt::format("write \"interfaceName: {}\"", bridge));
  }
  sort_diagnostics(out);
  return out;
}

Diagnostics lint(const Inventory& inventory) {
  Diagnostics out;
  Population population(inventory);
  SubjectLint subjects(inventory, population, out);
  PeerLint peers(inventory, population, out);
  for (const Policy& policy : inventory.policies) {
    if (is_deletion(policy)) {
      check_deletion(policy, inventory.policies, out);
      continue;
    }
    if (population.has_endpoints()) subjects.check(policy);
    peers.check(policy);
    check_reached(policy, Direction::ingress, policy.ingress, out);
    check_reached(policy, Direction::egress, policy.egress, out);
    check_governed(policy, out);
    check_host_options(policy, population, out);
  }
  check_way_back(inventory, population, out);
  check_addresses(inventory, out);
  sort_diagnostics(out);
  return out;
}

}  // namespace drywall
