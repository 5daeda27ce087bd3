// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/diagnostic.h"
#include "policy/net.h"
#include "policy/selector.h"
#include "policy/shared_list.h"

// The documents of a policy directory as values: checked, defaulted (types, tier orders, policyTypes) and, where they
// are Kubernetes', converted to Calico's form; selectors are still as written, not yet rewritten for their namespace.
// Meaning: Calico's api/pkg/apis/projectcalico/v3.

namespace drywall {

/// The policy kinds, and the two that only appear in traces.
enum class PolicyKind : std::uint8_t {
  global_network_policy,
  network_policy,             // projectcalico.org/v3
  kubernetes_network_policy,  // networking.k8s.io/v1 NetworkPolicy
  cluster_network_policy,     // policy.networking.k8s.io/v1alpha2
  staged_global_network_policy,
  staged_network_policy,
  staged_kubernetes_network_policy,
  profile,
  failsafe,   // the host's failsafe ports
  essential,  // what every host endpoint allows to keep working: neighbour discovery, IGMP, DHCP client
};

[[nodiscard]] bool is_staged(PolicyKind kind);
/// The enforced kind that a staged kind previews; other kinds are their own.
[[nodiscard]] PolicyKind enforced_kind(PolicyKind kind);
/// As written in a file: both network_policy and kubernetes_network_policy are "NetworkPolicy".
[[nodiscard]] std::string_view file_kind(PolicyKind kind);
/// Calico's model name, which breaks ties of order: kubernetes_network_policy is "KubernetesNetworkPolicy",
/// cluster_network_policy "KubernetesClusterNetworkPolicy".
[[nodiscard]] std::string_view model_kind(PolicyKind kind);

/// What makes a policy the same policy; `ns` is empty for global kinds.
struct PolicyId {
  PolicyKind kind = PolicyKind::global_network_policy;
  std::string ns;
  std::string name;
  auto operator<=>(const PolicyId&) const = default;
};
[[nodiscard]] std::string to_string(const PolicyId& id);  // "NetworkPolicy default/web"
[[nodiscard]] std::string full_name(const PolicyId& id);  // "NetworkPolicy/default/web", as verbs and the bus take it

enum class Action : std::uint8_t { allow, deny, pass, log };
[[nodiscard]] std::string_view to_string(Action action);  // "allow", ...
enum class Direction : std::uint8_t { ingress, egress };
[[nodiscard]] std::string_view to_string(Direction direction);
enum class StagedAction : std::uint8_t { set, remove, learn, ignore };
[[nodiscard]] std::string_view to_string(StagedAction action);  // "Set", "Delete", "Learn", "Ignore"

/// `ports` or `notPorts`: numbers and names are alternatives. Empty: no criterion.
struct PortList {
  std::vector<PortRange> ranges;
  std::vector<std::string> names;
  [[nodiscard]] bool empty() const { return ranges.empty() && names.empty(); }
  bool operator==(const PortList&) const = default;
};

struct ServiceReference {
  std::string ns;  // empty: the policy's own
  std::string name;
  bool operator==(const ServiceReference&) const = default;
};

/// `source` or `destination` of a rule. An absent criterion (empty list, no value) matches everything.
struct EntityMatch {
  std::vector<Prefix> nets;
  std::vector<Prefix> not_nets;
  std::optional<Selector> selector;
  std::optional<Selector> not_selector;
  std::optional<Selector> namespace_selector;
  std::vector<std::string> service_account_names;
  std::optional<Selector> service_account_selector;
  std::optional<ServiceReference> service;
  PortList ports;
  PortList not_ports;
  bool operator==(const EntityMatch&) const = default;
};

struct IcmpMatch {
  std::uint8_t type = 0;
  std::optional<std::uint8_t> code;
  bool operator==(const IcmpMatch&) const = default;
};

struct Rule {
  Action action = Action::allow;
  std::optional<Family> family;  // from ipVersion, or implied by the protocol names ICMP and ICMPv6
  std::optional<Protocol> protocol;
  std::optional<Protocol> not_protocol;
  std::optional<IcmpMatch> icmp;
  std::optional<IcmpMatch> not_icmp;
  EntityMatch source;
  EntityMatch destination;
  SourceLocation at;  // of the rule; several rules made from one Kubernetes rule share it
  bool operator==(const Rule&) const = default;
};

/// Which of a host endpoint's four policy lists a policy belongs to (semantics of doNotTrack, preDNAT).
enum class Bucket : std::uint8_t { untracked, pre_dnat, normal, forward };
[[nodiscard]] std::string_view to_string(Bucket bucket);  // "untracked", "preDNAT", "normal", "forward"

/// A policy of any kind. Kubernetes policies are in tier `default` with order 1000 (ClusterNetworkPolicy: kube-admin or
/// kube-baseline, order = priority), their pod selectors include the orchestrator term, each rule is expanded.
struct Policy {
  PolicyId id;
  std::string tier = "default";
  std::optional<double> order;  // nothing: after every number
  Selector selector;
  std::optional<Selector> namespace_selector;
  std::optional<Selector> service_account_selector;
  bool governs_ingress = false;  // `types`, defaulted
  bool governs_egress = false;
  bool untracked = false;         // doNotTrack
  bool pre_dnat = false;          // preDNAT
  bool apply_on_forward = false;  // applyOnForward
  std::vector<Rule> ingress;
  std::vector<Rule> egress;
  std::optional<StagedAction> staged_action;  // of staged kinds only
  Labels labels;
  std::map<std::string, std::string> annotations;
  std::string selector_text;  // as written, for people
  SourceLocation at;          // of the document
  bool operator==(const Policy&) const = default;
};

struct Tier {
  std::string name;
  double order = 1'000'000;
  Action default_action = Action::deny;  // deny or pass
  SourceLocation at;                     // no file: built in
  bool operator==(const Tier&) const = default;
};

struct NamedPort {
  std::string name;
  Protocol protocol;
  std::uint16_t port = 0;
  bool operator==(const NamedPort&) const = default;
};

struct HostEndpoint {
  std::string name;
  Labels labels;
  std::string node;
  std::string interface_name;  // empty, "*" or a name
  std::vector<Address> expected_ips;
  std::vector<std::string> profiles;
  std::vector<NamedPort> ports;
  SourceLocation at;
  bool operator==(const HostEndpoint&) const = default;
};

struct WorkloadEndpoint {
  std::string ns;
  std::string name;
  Labels labels;  // pcns./pcsa. stripped; projectcalico.org/{namespace,orchestrator,serviceaccount} set
  std::string node;
  std::string pod;
  std::string interface_name;
  std::vector<Address> addresses;
  std::vector<std::string> profiles;
  std::vector<NamedPort> ports;
  std::vector<Prefix> allowed_spoofed_sources;
  SourceLocation at;
  bool operator==(const WorkloadEndpoint&) const = default;
};

/// NetworkSet, or GlobalNetworkSet if `ns` is empty. A NetworkSet carries projectcalico.org/namespace.
struct NetworkSet {
  std::string ns;
  std::string name;
  Labels labels;
  std::vector<Prefix> nets;  // masked
  SourceLocation at;
  bool operator==(const NetworkSet&) const = default;
};

/// Also what a Namespace (`kns.NAME`: allow all, labels pcns.*) and a ServiceAccount (`ksa.NS.NAME`: no rules, labels
/// pcsa.*) become.
struct Profile {
  std::string name;
  Labels labels_to_apply;
  std::vector<Rule> ingress;
  std::vector<Rule> egress;
  SourceLocation at;
  bool operator==(const Profile&) const = default;
};

/// The addresses and ports behind a Kubernetes Service, from its EndpointSlices.
struct Service {
  std::string ns;
  std::string name;
  std::vector<EndpointPort> endpoints;
  SourceLocation at;
  std::vector<Address> addresses;  // of every endpoint, also one without ports: what a service as a source matches
  bool operator==(const Service&) const = default;
};

/// An entry of failsafeInboundHostPorts (`net` limits the source) or failsafeOutboundHostPorts (the destination).
struct FailsafePort {
  Protocol protocol;
  std::uint16_t port = 0;
  std::optional<Prefix> net;
  bool operator==(const FailsafePort&) const = default;
};

/// What becomes of a packet from a workload to the host that the workload's egress policy allowed.
enum class EndpointToHost : std::uint8_t { drop, return_, accept, reject };
enum class DenyAction : std::uint8_t { drop, reject };

/// How often one Log rule writes to the kernel's log: `count` lines in so many seconds.
struct LogRate {
  std::uint32_t count = 100;
  std::uint32_t seconds = 1;  // 1, 60, 3600 or 86400
  bool operator==(const LogRate&) const = default;
};

/// What a FelixConfiguration named `default` in the directory may set; absent: not set there.
struct HostSettings {
  std::optional<std::vector<FailsafePort>> failsafe_inbound;
  std::optional<std::vector<FailsafePort>> failsafe_outbound;
  std::optional<EndpointToHost> endpoint_to_host;
  std::optional<DenyAction> deny_action;
  std::optional<std::vector<std::string>> workload_prefixes;
  std::optional<bool> drop_invalid;
  std::optional<std::string> log_prefix;
  std::optional<LogRate> log_rate;
  std::optional<std::uint32_t> log_burst;
  SourceLocation at;
  bool operator==(const HostSettings&) const = default;
};

/// Everything that a policy directory says. Within a kind sorted by namespace and name.
struct Inventory {
  SharedList<Policy> policies;
  std::vector<Tier> tiers;  // with the three built-in ones
  std::vector<HostEndpoint> host_endpoints;
  std::vector<WorkloadEndpoint> workload_endpoints;
  SharedList<NetworkSet> network_sets;
  std::vector<Profile> profiles;  // with projectcalico-default-allow and one for each namespace and service account
  std::vector<Service> services;
  HostSettings settings;
  bool operator==(const Inventory&) const = default;
};

}  // namespace drywall
