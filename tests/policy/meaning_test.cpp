// SPDX-License-Identifier: GPL-2.0-or-later
// What documents mean, from YAML to verdict and trace, where no conformance data says it.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "policy/compile.h"
#include "policy/parse.h"
#include "policy/path.h"

namespace drywall {
namespace {

constexpr const char* v3 = "apiVersion: projectcalico.org/v3\n";

/// A directory of one file, asked about packets; both worlds.
class Directory {
 public:
  explicit Directory(const std::string& yaml) {
    const yaml::SourceFile file{"test.yaml", yaml};
    parsed_ = parse(std::span(&file, 1));
    for (const Diagnostic& diagnostic : parsed_.diagnostics) {
      if (diagnostic.severity == Severity::error) ADD_FAILURE() << to_string(diagnostic);
    }
    Host host;
    host.failsafe_inbound = default_failsafe_inbound();
    host.failsafe_outbound = default_failsafe_outbound();
    plans_ = {compile(parsed_.inventory, host, World::enforced), compile(parsed_.inventory, host, World::pending)};
  }

  /// "allow: TIER KIND NAME RULE ACTION | ..." of each leg, one a line.
  std::string judged(World world, const Passage& passage) const {
    const Plan& plan = plans_[static_cast<std::size_t>(world)];
    const EndpointMap endpoints(plan, {});
    Classifier classifier(plan);
    std::string text;
    for (const JudgedLeg& leg : judge(endpoints, classifier, passage)) {
      if (!text.empty()) text += "\n";
      text += fmt::format("{}:", to_string(leg.decision.verdict));
      for (const TraceEntry& entry : leg.decision.trace) {
        text += fmt::format(" {} {} {} {}", file_kind(entry.kind), entry.name, entry.rule, to_string(entry.action));
      }
    }
    return text;
  }
  std::string enforced(const Passage& passage) const { return judged(World::enforced, passage); }
  std::string pending(const Passage& passage) const { return judged(World::pending, passage); }
  const Plan& plan(World world) const { return plans_[static_cast<std::size_t>(world)]; }

 private:
  Parsed parsed_;
  std::array<Plan, 2> plans_;
};

/// To the workload 10.0.0.1 or fd00::1.
Passage to_workload(Protocol protocol, std::uint16_t port, const char* source = "192.0.2.1") {
  Passage passage;
  passage.packet.source = *parse_address(source);
  passage.packet.destination = *parse_address(passage.packet.source.family == Family::v4 ? "10.0.0.1" : "fd00::1");
  passage.packet.protocol = protocol;
  passage.packet.source_port = has_ports(protocol) ? 40000 : 0;
  passage.packet.destination_port = has_ports(protocol) ? port : 0;
  return passage;
}

Passage ping(std::uint8_t type, std::uint8_t code, const char* source = "192.0.2.1") {
  Passage passage = to_workload(protocol::icmp, 0, source);
  if (passage.packet.source.family == Family::v6) passage.packet.protocol = protocol::icmpv6;
  passage.packet.icmp_type = type;
  passage.packet.icmp_code = code;
  return passage;
}

const std::string workload = std::string(v3) + R"(kind: WorkloadEndpoint
metadata: {name: node1-k8s-w-eth0, namespace: default, labels: {app: web}}
spec:
  node: node1
  orchestrator: k8s
  pod: w
  endpoint: eth0
  interfaceName: cali1
  ipNetworks: [10.0.0.1/32, "fd00::1/128"]
  profiles: [kns.default]
  ports: [{name: http, protocol: TCP, port: 8080}]
---
apiVersion: v1
kind: Namespace
metadata: {name: default}
---
)";

std::string policy(const std::string& kind, const std::string& name, const std::string& spec) {
  const std::string ns = kind.find("Global") == std::string::npos ? ", namespace: default" : "";
  return std::string(v3) + "kind: " + kind + "\nmetadata: {name: " + name + ns + "}\nspec:\n" + spec + "---\n";
}

const std::string deny_in = "  types: [Ingress]\n  ingress: [{action: Deny}]\n";
const std::string allow_in = "  types: [Ingress]\n  ingress: [{action: Allow}]\n";

TEST(Staged, SetReplacesTheEnforcedPolicyOfItsIdentity) {
  const Directory directory(workload + policy("GlobalNetworkPolicy", "p", deny_in) +
                            policy("StagedGlobalNetworkPolicy", "p", "  stagedAction: Set\n" + allow_in));
  EXPECT_EQ(directory.enforced(to_workload(protocol::tcp, 80)), "deny: GlobalNetworkPolicy p 0 deny");
  EXPECT_EQ(directory.pending(to_workload(protocol::tcp, 80)), "allow: StagedGlobalNetworkPolicy p 0 allow");
}

TEST(Staged, SetReplacesItWhereverTheOldOneApplied) {
  const Directory directory(workload + policy("GlobalNetworkPolicy", "p", "  selector: app == 'web'\n" + deny_in) +
                            policy("StagedGlobalNetworkPolicy", "p", "  selector: app == 'other'\n" + deny_in));
  EXPECT_EQ(directory.pending(to_workload(protocol::tcp, 80)), "allow: Profile kns.default 0 allow");
}

TEST(Staged, DeleteRemovesTheEnforcedPolicyFromThePendingWorld) {
  const Directory directory(workload + policy("NetworkPolicy", "p", deny_in) +
                            policy("StagedNetworkPolicy", "p", "  stagedAction: Delete\n"));
  EXPECT_EQ(directory.enforced(to_workload(protocol::tcp, 80)), "deny: NetworkPolicy p 0 deny");
  EXPECT_EQ(directory.pending(to_workload(protocol::tcp, 80)), "allow: Profile kns.default 0 allow");
}

TEST(Staged, IgnoreTakesNoPart) {
  const Directory directory(workload + policy("StagedNetworkPolicy", "p", "  stagedAction: Ignore\n" + deny_in));
  EXPECT_EQ(directory.pending(to_workload(protocol::tcp, 80)), "allow: Profile kns.default 0 allow");
}

TEST(Staged, LearnIsJudgedLikeSet) {
  const Directory directory(workload + policy("StagedNetworkPolicy", "p", "  stagedAction: Learn\n" + deny_in));
  EXPECT_EQ(directory.pending(to_workload(protocol::tcp, 80)), "deny: StagedNetworkPolicy p 0 deny");
  EXPECT_EQ(directory.enforced(to_workload(protocol::tcp, 80)), "allow: Profile kns.default 0 allow");
}

TEST(Staged, AKubernetesPolicyWithoutTypesGovernsEgressIfItHasEgressRules) {
  const Directory directory(workload + std::string(v3) + R"(kind: StagedKubernetesNetworkPolicy
metadata: {name: p, namespace: default}
spec:
  podSelector: {}
  egress: [{to: [{ipBlock: {cidr: 198.51.100.0/24}}]}]
)");
  Passage out;
  out.packet = {*parse_address("10.0.0.1"), *parse_address("192.0.2.1"), protocol::tcp, 40000, 80, 0, 0};
  EXPECT_EQ(directory.pending(out), "deny: StagedKubernetesNetworkPolicy p -1 deny");
  EXPECT_EQ(directory.pending(to_workload(protocol::tcp, 80)), "deny: StagedKubernetesNetworkPolicy p -1 deny");
}

TEST(EndOfTier, BlamesTheLastEnforcedPolicyAndTheFirstPendingOne) {
  const Directory directory(workload + policy("GlobalNetworkPolicy", "a", "  order: 1\n  types: [Ingress]\n") +
                            policy("GlobalNetworkPolicy", "b", "  order: 2\n  types: [Ingress]\n") +
                            policy("StagedGlobalNetworkPolicy", "c", "  order: 3\n  types: [Ingress]\n"));
  EXPECT_EQ(directory.enforced(to_workload(protocol::tcp, 80)), "deny: GlobalNetworkPolicy b -1 deny");
  EXPECT_EQ(directory.pending(to_workload(protocol::tcp, 80)), "deny: GlobalNetworkPolicy a -1 deny");
}

TEST(EndOfTier, ATierOfOnlyStagedPoliciesIsSkippedInTheEnforcedWorld) {
  const Directory directory(workload + policy("StagedGlobalNetworkPolicy", "a", "  types: [Ingress]\n"));
  EXPECT_EQ(directory.enforced(to_workload(protocol::tcp, 80)), "allow: Profile kns.default 0 allow");
  EXPECT_EQ(directory.pending(to_workload(protocol::tcp, 80)), "deny: StagedGlobalNetworkPolicy a -1 deny");
}

TEST(EndOfTier, APolicyOfTheOtherDirectionDoesNotEndTheTier) {
  const Directory directory(workload + policy("GlobalNetworkPolicy", "a", "  types: [Egress]\n"));
  EXPECT_EQ(directory.enforced(to_workload(protocol::tcp, 80)), "allow: Profile kns.default 0 allow");
}

TEST(Icmp, ATypeMatchesEveryCodeAndACodeOnlyItself) {
  const std::string rules =
      "  types: [Ingress]\n  ingress:\n  - {action: Deny, protocol: ICMP, icmp: {type: 3, code: 1}}\n"
      "  - {action: Allow, protocol: ICMP, icmp: {type: 3}}\n";
  const Directory directory(workload + policy("GlobalNetworkPolicy", "p", rules));
  EXPECT_EQ(directory.enforced(ping(3, 1)), "deny: GlobalNetworkPolicy p 0 deny");
  EXPECT_EQ(directory.enforced(ping(3, 2)), "allow: GlobalNetworkPolicy p 1 allow");
  EXPECT_EQ(directory.enforced(ping(8, 1)), "deny: GlobalNetworkPolicy p -1 deny");
}

TEST(Icmp, ANegatedTypeAndCodeExcludesOnlyBothTogether) {
  const std::string rules =
      "  types: [Ingress]\n  ingress:\n  - {action: Allow, protocol: ICMP, notICMP: {type: 3, code: 1}}\n";
  const Directory directory(workload + policy("GlobalNetworkPolicy", "p", rules));
  EXPECT_EQ(directory.enforced(ping(3, 1)), "deny: GlobalNetworkPolicy p -1 deny");
  EXPECT_EQ(directory.enforced(ping(3, 2)), "allow: GlobalNetworkPolicy p 0 allow");
  EXPECT_EQ(directory.enforced(ping(8, 1)), "allow: GlobalNetworkPolicy p 0 allow");
}

TEST(Icmp, ANegationWithoutProtocolMatchesOnlyIcmpOfEitherFamily) {
  const Directory directory(
      workload +
      policy("GlobalNetworkPolicy", "p", "  types: [Ingress]\n  ingress: [{action: Allow, notICMP: {type: 8}}]\n"));
  EXPECT_EQ(directory.enforced(ping(3, 0)), "allow: GlobalNetworkPolicy p 0 allow");
  EXPECT_EQ(directory.enforced(ping(3, 0, "2001:db8::1")), "allow: GlobalNetworkPolicy p 0 allow");
  EXPECT_EQ(directory.enforced(to_workload(protocol::tcp, 80)), "deny: GlobalNetworkPolicy p -1 deny");
}

TEST(Families, ANegatedBlockOfOneFamilyNeverMatchesTheOther) {
  const Directory directory(
      workload + policy("GlobalNetworkPolicy", "p",
                        "  types: [Ingress]\n  ingress: [{action: Allow, source: {notNets: [10.0.0.0/8]}}]\n"));
  EXPECT_EQ(directory.enforced(to_workload(protocol::tcp, 80)), "allow: GlobalNetworkPolicy p 0 allow");
  EXPECT_EQ(directory.enforced(to_workload(protocol::tcp, 80, "2001:db8::1")), "deny: GlobalNetworkPolicy p -1 deny");
}

TEST(Families, BothWholeFamiliesTogetherAreEveryAddress) {
  const Directory directory(
      workload + policy("GlobalNetworkPolicy", "p",
                        "  types: [Ingress]\n  ingress: [{action: Allow, source: {nets: [0.0.0.0/0, \"::/0\"]}}]\n"));
  EXPECT_EQ(directory.enforced(to_workload(protocol::tcp, 80)), "allow: GlobalNetworkPolicy p 0 allow");
  EXPECT_EQ(directory.enforced(to_workload(protocol::tcp, 80, "2001:db8::1")), "allow: GlobalNetworkPolicy p 0 allow");
}

TEST(Families, TheNumberOfAProtocolImpliesNone) {
  const Directory directory(workload + policy("GlobalNetworkPolicy", "p",
                                              "  types: [Ingress]\n  ingress: [{action: Allow, protocol: 58}]\n"));
  EXPECT_EQ(directory.enforced(ping(128, 0, "2001:db8::1")), "allow: GlobalNetworkPolicy p 0 allow");
  EXPECT_EQ(directory.enforced(to_workload(Protocol{58}, 0)), "allow: GlobalNetworkPolicy p 0 allow");
}

TEST(Ports, ANameAndANumberInOneListAreAlternatives) {
  const std::string rule =
      "  types: [Ingress]\n  ingress: [{action: Allow, protocol: TCP, destination: {ports: [http, 9]}}]\n";
  const Directory directory(workload + policy("GlobalNetworkPolicy", "p", rule));
  EXPECT_EQ(directory.enforced(to_workload(protocol::tcp, 8080)), "allow: GlobalNetworkPolicy p 0 allow");
  EXPECT_EQ(directory.enforced(to_workload(protocol::tcp, 9)), "allow: GlobalNetworkPolicy p 0 allow");
  EXPECT_EQ(directory.enforced(to_workload(protocol::tcp, 10)), "deny: GlobalNetworkPolicy p -1 deny");
}

TEST(Ports, ANegatedNameWithoutProtocolMatchesProtocolsWithoutPorts) {
  const std::string rule = "  types: [Ingress]\n  ingress: [{action: Allow, destination: {notPorts: [http]}}]\n";
  const Directory directory(workload + policy("GlobalNetworkPolicy", "p", rule));
  EXPECT_EQ(directory.enforced(to_workload(protocol::tcp, 8080)), "deny: GlobalNetworkPolicy p -1 deny");
  EXPECT_EQ(directory.enforced(to_workload(protocol::udp, 8080)), "allow: GlobalNetworkPolicy p 0 allow");
  EXPECT_EQ(directory.enforced(ping(8, 0)), "allow: GlobalNetworkPolicy p 0 allow");
}

TEST(Services, AnEgressRuleToAServiceMatchesItsEndpointsAddressAndPort) {
  const Directory directory(workload +
                            policy("NetworkPolicy", "p",
                                   "  types: [Egress]\n  egress: [{action: Allow, destination: {services: {name: api, "
                                   "namespace: default}}}]\n") +
                            R"(apiVersion: v1
kind: Service
metadata: {name: api, namespace: default}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: api-1, namespace: default, labels: {kubernetes.io/service-name: api}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.7]}]
ports: [{port: 8443, protocol: TCP}]
)");
  Passage out;
  out.packet = {*parse_address("10.0.0.1"), *parse_address("192.0.2.7"), protocol::tcp, 40000, 8443, 0, 0};
  EXPECT_EQ(directory.enforced(out), "allow: NetworkPolicy p 0 allow");
  out.packet.destination_port = 80;
  EXPECT_EQ(directory.enforced(out), "deny: NetworkPolicy p -1 deny");
}

const std::string host = std::string(v3) + R"(kind: HostEndpoint
metadata: {name: h, labels: {role: host}}
spec: {node: node1, interfaceName: eth0, expectedIPs: [10.0.0.9]}
---
)";

Passage to_host(std::uint16_t port) {
  Passage passage = to_workload(protocol::tcp, port);
  passage.packet.destination = *parse_address("10.0.0.9");
  return passage;
}

TEST(HostEndpoints, WithoutPolicyOrProfileDenyAndKeepTheFailsafePorts) {
  const Directory directory(host);
  EXPECT_EQ(directory.enforced(to_host(80)), "deny: Profile  -1 deny");
  EXPECT_EQ(directory.enforced(to_host(22)).substr(0, 6), "allow:");
}

TEST(HostEndpoints, AllowNeighbourDiscoveryWhateverThePolicySays) {
  const Directory directory(host + policy("GlobalNetworkPolicy", "p", deny_in));
  Passage passage;
  passage.in_interface = "eth0";
  passage.packet = {*parse_address("fe80::1"), *parse_address("ff02::1"), protocol::icmpv6, 0, 0, 135, 0};
  EXPECT_EQ(directory.enforced(passage).substr(0, 6), "allow:");
  passage.packet.icmp_type = 128;
  EXPECT_EQ(directory.enforced(passage).substr(0, 5), "deny:");
}

Passage forwarded(std::uint16_t port) {
  Passage passage = to_workload(protocol::tcp, port);
  passage.packet.destination = *parse_address("198.51.100.1");
  passage.in_interface = "eth0";
  passage.out_interface = "eth1";
  return passage;
}

TEST(HostEndpoints, ForwardedTrafficIsJudgedByApplyOnForwardPolicyOnly) {
  const std::string forward =
      "  order: 2\n  applyOnForward: true\n  types: [Ingress]\n  ingress: [{action: Allow, protocol: TCP, "
      "destination: {ports: [80]}}]\n";
  const Directory directory(host + policy("GlobalNetworkPolicy", "normal", "  order: 1\n" + deny_in) +
                            policy("GlobalNetworkPolicy", "forward", forward));
  EXPECT_EQ(directory.enforced(forwarded(80)), "allow: GlobalNetworkPolicy forward 0 allow");
  EXPECT_EQ(directory.enforced(forwarded(81)), "deny: GlobalNetworkPolicy forward -1 deny");
  EXPECT_EQ(directory.enforced(to_host(80)), "deny: GlobalNetworkPolicy normal 0 deny");
}

TEST(HostEndpoints, AStagedForwardPolicyLeavesTheForwardDefaultAlone) {
  const Directory directory(host + policy("StagedGlobalNetworkPolicy", "p", "  applyOnForward: true\n" + deny_in));
  EXPECT_EQ(directory.enforced(forwarded(80)), "");
  EXPECT_EQ(directory.pending(forwarded(80)), "deny: StagedGlobalNetworkPolicy p 0 deny");
}

TEST(HostEndpoints, AnUntrackedAllowSparesTheLaterBuckets) {
  const std::string untracked = "  doNotTrack: true\n  applyOnForward: true\n" + allow_in;
  const Directory directory(host + policy("GlobalNetworkPolicy", "u", untracked) +
                            policy("GlobalNetworkPolicy", "n", deny_in));
  EXPECT_EQ(directory.enforced(to_host(80)), "allow: GlobalNetworkPolicy u 0 allow");
}

TEST(Profiles, OneThatNobodyDefinesDenies) {
  std::string yaml = workload;
  yaml.replace(yaml.find("kns.default"), 11, "nobody");
  const Directory directory(yaml);
  EXPECT_EQ(directory.enforced(to_workload(protocol::tcp, 80)), "deny: Profile  -1 deny");
}

TEST(Log, UsesItsIndexAndDecidesNothing) {
  const Directory directory(workload + policy("GlobalNetworkPolicy", "p",
                                              "  types: [Ingress]\n  ingress: [{action: Log}, {action: Deny}]\n"));
  EXPECT_EQ(directory.enforced(to_workload(protocol::tcp, 80)), "deny: GlobalNetworkPolicy p 1 deny");
}

TEST(Selectors, ANegatedOneAloneInANamespacedPolicyStaysInItsNamespace) {
  const Directory directory(
      workload + policy("NetworkPolicy", "p",
                        "  types: [Ingress]\n  ingress: [{action: Allow, source: {notSelector: app == 'db'}}]\n"));
  EXPECT_EQ(directory.enforced(to_workload(protocol::tcp, 80)), "deny: NetworkPolicy p -1 deny");  // an unknown address
  EXPECT_EQ(directory.enforced(to_workload(protocol::tcp, 80, "10.0.0.1")).substr(0, 5), "allow");
}

}  // namespace
}  // namespace drywall
