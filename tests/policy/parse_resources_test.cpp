// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "tests/policy/parse_text.h"

namespace drywall::test {
namespace {

/// `rest` follows at line 3.
std::string resource(std::string_view kind, std::string_view rest) {
  return fmt::format("apiVersion: projectcalico.org/v3\nkind: {}\n{}\n", kind, rest);
}
constexpr std::string_view default_namespace = "---\n{apiVersion: v1, kind: Namespace, metadata: {name: default}}\n";

/// `spec` begins at line 4, column 7.
std::string host(std::string_view spec) {
  return resource("HostEndpoint", fmt::format("metadata: {{name: h}}\nspec: {}", spec));
}
std::string workload(std::string_view spec) {
  return resource("WorkloadEndpoint", fmt::format("metadata: {{name: w}}\nspec: {}", spec)).append(default_namespace);
}

Address address(std::string_view text) {
  return parse_address(text).value();
}
Prefix prefix(std::string_view text) {
  return parse_prefix(text).value();
}

TEST(ParseHostEndpoint, EveryFieldIsRead) {
  const Parsed parsed =
      parse_text(resource("HostEndpoint",
                          "metadata: {name: h, labels: {role: db}}\nspec: {node: n1, interfaceName: eth0, expectedIPs: "
                          "[192.0.2.1, '2001:db8::1'], "
                          "profiles: [projectcalico-default-allow], ports: [{name: http, protocol: TCP, port: 80}]}"));
  ASSERT_TRUE(parsed.diagnostics.empty());
  HostEndpoint expected;
  expected.name = "h";
  expected.labels = {{"role", "db"}};
  expected.node = "n1";
  expected.interface_name = "eth0";
  expected.expected_ips = {address("192.0.2.1"), address("2001:db8::1")};
  expected.profiles = {"projectcalico-default-allow"};
  expected.ports = {{"http", protocol::tcp, 80}};
  expected.at = {"test.yaml", 1, 1};
  EXPECT_EQ(parsed.inventory.host_endpoints, std::vector{expected});
}

TEST(ParseHostEndpoint, NeedsNodeAndInterfaceOrAddresses) {
  EXPECT_TRUE(mistakes(host("{node: n, interfaceName: '*'}")).empty());
  EXPECT_TRUE(mistakes(host("{node: n, expectedIPs: [192.0.2.1]}")).empty());
  EXPECT_EQ(mistakes(host("{interfaceName: eth0}")), Strings{"4:7 missing-field"});
  EXPECT_EQ(mistakes(host("{node: n}")), Strings{"4:7 missing-field"});
  EXPECT_EQ(mistakes(resource("HostEndpoint", "metadata: {name: h}")), Strings{"1:1 missing-field"});
}

TEST(ParseHostEndpoint, BadValuesAreMistakes) {
  EXPECT_EQ(mistakes(host("{node: n, interfaceName: interfaceTooLong}")), Strings{"4:32 bad-interface"});
  EXPECT_EQ(mistakes(host("{node: n, interfaceName: 'eth:0'}")), Strings{"4:32 bad-interface"});
  EXPECT_EQ(mistakes(host("{node: N, interfaceName: eth0}")), Strings{"4:14 bad-name"});
  EXPECT_EQ(mistakes(host("{node: n, expectedIPs: [192.0.2.0/24]}")), Strings{"4:31 bad-address"});
}

TEST(ParseHostEndpoint, PortsHaveNameProtocolAndNumber) {
  const auto port = [](std::string_view text) {
    return mistakes(host(fmt::format("{{node: n, interfaceName: eth0, ports: [{}]}}", text)));
  };
  EXPECT_EQ(port("{protocol: TCP, port: 1}"), Strings{"4:46 missing-field"});
  EXPECT_EQ(port("{name: a, port: 1}"), Strings{"4:46 missing-field"});
  EXPECT_EQ(port("{name: a, protocol: TCP}"), Strings{"4:46 missing-field"});
  EXPECT_EQ(port("{name: a, protocol: ICMP, port: 1}"), Strings{"4:66 protocol-without-ports"});
  EXPECT_EQ(port("{name: a, protocol: TCP, port: 0}"), Strings{"4:77 out-of-range"});
  EXPECT_EQ(port("{name: A, protocol: TCP, port: 1}"), Strings{"4:53 bad-port"});
}

TEST(ParseHostEndpoint, SmallestNameGovernsASharedInterface) {
  const std::string a =
      "{apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: {name: a}, spec: {node: n, interfaceName: "
      "eth0}}\n";
  const std::string b =
      "{apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: {name: b}, spec: {node: n, interfaceName: "
      "eth0}}\n";
  const std::string elsewhere =
      "{apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: {name: c}, spec: {node: m, interfaceName: "
      "eth0}}\n";
  const Parsed parsed = parse_text(b + "---\n" + a + "---\n" + elsewhere);
  ASSERT_EQ(mistakes(parsed), Strings{"1:108 shared-interface?"});
  EXPECT_NE(parsed.diagnostics[0].message.find("\"a\" does (test.yaml:3:108)"), std::string::npos);
}

TEST(ParseHostEndpoint, SharedExpectedAddressIsAWarningOnlyWithoutInterface) {
  const auto endpoint = [](std::string_view name, std::string_view more) {
    return fmt::format(
        "{{apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: {{name: {}}}, spec: {{node: n, "
        "{}expectedIPs: [192.0.2.1]}}}}\n---\n",
        name, more);
  };
  EXPECT_EQ(mistakes(endpoint("a", "") + endpoint("b", "")), Strings{"3:106 shared-interface?"});
  EXPECT_TRUE(mistakes(endpoint("a", "") + endpoint("b", "interfaceName: eth1, ")).empty());
}

TEST(ParseWorkloadEndpoint, EveryFieldIsRead) {
  const Parsed parsed = parse_text(
      resource("WorkloadEndpoint",
               "metadata: {name: n1-k8s-pod-eth0, labels: {a: b, pcns.x: y, pcsa.x: y, projectcalico.org/namespace: "
               "lie}}\nspec: "
               "{orchestrator: nomad, workload: w, node: n1, pod: pod, endpoint: eth0, containerID: 0aF, "
               "serviceAccountName: sa, "
               "interfaceName: cali1, ipNetworks: [10.0.0.1/32, 'fd00::1'], ipNATs: [{internalIP: 10.0.0.1, "
               "externalIP: 192.0.2.1}], "
               "ipv4Gateway: 169.254.1.1, mac: '02:00:00:00:00:01', profiles: [kns.default], "
               "allowSpoofedSourcePrefixes: [10.1.0.0/16], "
               "ports: [{name: web, protocol: TCP, port: 80}, {protocol: TCP, port: 81, hostPort: 8081, hostIP: ''}]}")
          .append(default_namespace));
  ASSERT_TRUE(parsed.diagnostics.empty()) << to_string(parsed.diagnostics[0]);
  WorkloadEndpoint expected;
  expected.ns = "default";
  expected.name = "n1-k8s-pod-eth0";
  expected.labels = {{"a", "b"},
                     {"projectcalico.org/namespace", "default"},
                     {"projectcalico.org/orchestrator", "nomad"},
                     {"projectcalico.org/serviceaccount", "sa"}};
  expected.node = "n1";
  expected.pod = "pod";
  expected.interface_name = "cali1";
  expected.addresses = {address("10.0.0.1"), address("fd00::1")};
  expected.profiles = {"kns.default"};
  expected.ports = {{"web", protocol::tcp, 80}};
  expected.allowed_spoofed_sources = {prefix("10.1.0.0/16")};
  expected.at = {"test.yaml", 1, 1};
  EXPECT_EQ(parsed.inventory.workload_endpoints, std::vector{expected});
}

TEST(ParseWorkloadEndpoint, OrchestratorIsKubernetesIfNotWritten) {
  const Parsed parsed = parse_text(workload("{node: n, interfaceName: cali1}"));
  ASSERT_TRUE(parsed.diagnostics.empty());
  EXPECT_EQ(parsed.inventory.workload_endpoints[0].labels,
            (Labels{{"projectcalico.org/namespace", "default"}, {"projectcalico.org/orchestrator", "k8s"}}));
}

TEST(ParseWorkloadEndpoint, NetworksAreSingleAddresses) {
  EXPECT_EQ(mistakes(workload("{node: n, interfaceName: c, ipNetworks: [10.0.0.0/24]}")),
            Strings{"4:48 not-one-address"});
  EXPECT_EQ(mistakes(workload("{node: n, interfaceName: c, ipNetworks: [10.0.0.1/32], ipNATs: [{internalIP: 10.0.0.2, "
                              "externalIP: 1.1.1.1}]}")),
            Strings{"4:84 nat-outside-networks"});
}

TEST(ParseWorkloadEndpoint, BadValuesAreMistakes) {
  EXPECT_EQ(mistakes(workload("{node: n}")), Strings{"4:7 missing-field"});
  EXPECT_EQ(mistakes(workload("{interfaceName: c}")), Strings{"4:7 missing-field"});
  EXPECT_EQ(mistakes(workload("{node: n, interfaceName: '*'}")), Strings{"4:32 bad-interface"});
  EXPECT_EQ(mistakes(workload("{node: n, interfaceName: c, containerID: a-b.c}")), Strings{"4:48 bad-name"});
  EXPECT_EQ(mistakes(workload("{node: n, interfaceName: c, ipv4Gateway: '::1'}")), Strings{"4:48 family-mismatch"});
  EXPECT_EQ(mistakes(workload("{node: n, interfaceName: c, mac: x}")), Strings{"4:40 bad-mac"});
  EXPECT_EQ(mistakes(workload("{node: n, interfaceName: c, allowSpoofedSourcePrefixes: [10.abcd]}")),
            Strings{"4:64 bad-cidr"});
}

TEST(ParseWorkloadEndpoint, TwoOnOneInterfaceAreAMistake) {
  const auto endpoint = [](std::string_view name) {
    return fmt::format(
        "---\n{{apiVersion: projectcalico.org/v3, kind: WorkloadEndpoint, metadata: {{name: {}}}, spec: {{node: n, "
        "interfaceName: c}}}}\n",
        name);
  };
  EXPECT_EQ(mistakes(endpoint("b") + endpoint("a") + std::string(default_namespace)),
            Strings{"4:112 shared-interface"});
}

TEST(ParseNetworkSet, NetsMayBeBareOrUnmasked) {
  const Parsed parsed = parse_text(
      resource("GlobalNetworkSet",
               "metadata: {name: s, labels: {a: b}}\nspec: {nets: [10.1.2.3, 11.1.1.1/8, 'dead:beef::/96']}"));
  ASSERT_TRUE(parsed.diagnostics.empty());
  EXPECT_EQ(parsed.inventory.network_sets,
            (std::vector<NetworkSet>{{"",
                                      "s",
                                      {{"a", "b"}},
                                      {prefix("10.1.2.3/32"), prefix("11.0.0.0/8"), prefix("dead:beef::/96")},
                                      {"test.yaml", 1, 1}}}));
}

TEST(ParseNetworkSet, NamespacedOneCarriesItsNamespace) {
  const Parsed parsed = parse_text(resource("NetworkSet", "metadata: {name: s}").append(default_namespace));
  ASSERT_TRUE(parsed.diagnostics.empty());
  EXPECT_EQ(parsed.inventory.network_sets[0].labels, (Labels{{"projectcalico.org/namespace", "default"}}));
}

TEST(ParseNetworkSet, BadValuesAreMistakes) {
  EXPECT_EQ(mistakes(resource("GlobalNetworkSet", "metadata: {name: s}\nspec: {nets: [garbage]}")),
            Strings{"4:15 bad-cidr"});
  EXPECT_EQ(mistakes(resource("GlobalNetworkSet", "metadata: {name: s, labels: {projectcalico.org/namespace: x}}")),
            Strings{"3:30 reserved-label"});
}

TEST(ParseProfile, RulesAndLabelsAreRead) {
  const Parsed parsed = parse_text(resource(
      "Profile",
      "metadata: {name: p}\nspec: {ingress: [{action: Allow}], egress: [{action: Deny}], labelsToApply: {a: b}}"));
  ASSERT_TRUE(parsed.diagnostics.empty());
  const Profile& profile = parsed.inventory.profiles[0];
  EXPECT_EQ(profile.labels_to_apply, (Labels{{"a", "b"}}));
  EXPECT_EQ(profile.ingress.size(), 1U);
  EXPECT_EQ(profile.egress[0].action, Action::deny);
}

TEST(ParseProfile, CannotPass) {
  EXPECT_EQ(mistakes(resource("Profile", "metadata: {name: p}\nspec: {egress: [{action: Pass}]}")),
            Strings{"4:26 pass-in-profile"});
}

TEST(ParseProfile, BuiltInOneMayBeWrittenButNotChanged) {
  const std::string_view name = "metadata: {name: projectcalico-default-allow}\n";
  const std::string same = fmt::format("{}spec: {{ingress: [{{action: Allow}}], egress: [{{action: Allow}}]}}", name);
  EXPECT_TRUE(mistakes(resource("Profile", same)).empty());
  EXPECT_EQ(mistakes(resource("Profile", fmt::format("{}spec: {{}}", name))), Strings{"3:18 built-in-profile"});
}

TEST(ParseProfile, NamespaceIsAProfileThatAllowsAndLabels) {
  const Parsed parsed = parse_text(
      "{apiVersion: v1, kind: Namespace, metadata: {name: prod, labels: {env: x}}, spec: {finalizers: [kubernetes]}, "
      "status: {phase: Active}}");
  ASSERT_TRUE(parsed.diagnostics.empty());
  const Profile& profile = parsed.inventory.profiles[0];
  EXPECT_EQ(profile.name, "kns.prod");
  EXPECT_EQ(profile.labels_to_apply, (Labels{{"pcns.env", "x"}, {"pcns.projectcalico.org/name", "prod"}}));
  EXPECT_EQ(profile.ingress.size(), 1U);
  EXPECT_EQ(profile.egress.size(), 1U);
}

TEST(ParseProfile, ServiceAccountIsAProfileThatOnlyLabels) {
  const Parsed parsed = parse_text(
      fmt::format("{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: sa, labels: {{a: b}}}}, secrets: []}}\n{}",
                  default_namespace));
  ASSERT_TRUE(parsed.diagnostics.empty());
  const Profile& profile = parsed.inventory.profiles[1];
  EXPECT_EQ(profile.name, "ksa.default.sa");
  EXPECT_EQ(profile.labels_to_apply, (Labels{{"pcsa.a", "b"}, {"pcsa.projectcalico.org/name", "sa"}}));
  EXPECT_TRUE(profile.ingress.empty() && profile.egress.empty());
}

TEST(ParseProfile, OfANamespaceCannotBeWrittenTwice) {
  EXPECT_EQ(mistakes("{apiVersion: v1, kind: Namespace, metadata: {name: a}}\n---\n"
                     "{apiVersion: projectcalico.org/v3, kind: Profile, metadata: {name: kns.a}}"),
            Strings{"3:68 duplicate-resource"});
}

TEST(ParseNamespaces, OnlyNamedNamespaceExistsWithAWarning) {
  const Parsed parsed = parse_text(resource("NetworkPolicy", "metadata: {name: a, namespace: prod}\n---") +
                                   resource("NetworkPolicy", "metadata: {name: b, namespace: prod}"));
  EXPECT_EQ(mistakes(parsed), Strings{"3:32 undeclared-namespace?"});
  EXPECT_EQ(parsed.inventory.profiles[0].name, "kns.prod");
  EXPECT_EQ(parsed.inventory.profiles[0].labels_to_apply, (Labels{{"pcns.projectcalico.org/name", "prod"}}));
  EXPECT_EQ(parsed.inventory.profiles[0].ingress.size(), 1U);
}

TEST(ParseNamespaces, ProfileOfANamespaceDeclaresIt) {
  EXPECT_TRUE(mistakes(resource("NetworkPolicy", "metadata: {name: a}\n---") +
                       resource("Profile", "metadata: {name: kns.default}"))
                  .empty());
}

TEST(ParseNamespaces, DefaultIsNoException) {
  EXPECT_EQ(mistakes(resource("NetworkPolicy", "metadata: {name: a}")), Strings{"3:18 undeclared-namespace?"});
}

TEST(ParseProfiles, UndefinedProfileIsAWarning) {
  EXPECT_EQ(mistakes(host("{node: n, interfaceName: eth0, profiles: [nobody]}")), Strings{"4:49 undefined-profile?"});
}

TEST(ParseService, EndpointsComeFromSlices) {
  const Parsed parsed = parse_text(fmt::format(R"(
{{apiVersion: v1, kind: Service, metadata: {{name: web}}, spec: {{ports: [{{port: 80}}]}}}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-x, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
endpoints: [{{addresses: [10.0.0.1, 10.0.0.2], conditions: {{ready: true}}, nodeName: n}}]
ports: [{{name: http, port: 8080}}, {{protocol: UDP, port: 53}}, {{name: any}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-y, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv6
endpoints: [{{addresses: ['fd00::1']}}]
ports: []
{})",
                                               default_namespace));
  ASSERT_TRUE(parsed.diagnostics.empty()) << to_string(parsed.diagnostics[0]);
  ASSERT_EQ(parsed.inventory.services.size(), 1U);
  const Service& service = parsed.inventory.services[0];
  EXPECT_EQ(service.endpoints, (std::vector<EndpointPort>{{address("10.0.0.1"), protocol::tcp, 8080},
                                                          {address("10.0.0.1"), protocol::udp, 53},
                                                          {address("10.0.0.2"), protocol::tcp, 8080},
                                                          {address("10.0.0.2"), protocol::udp, 53}}));
  EXPECT_EQ(service.addresses, (std::vector{address("10.0.0.1"), address("10.0.0.2"), address("fd00::1")}));
}

TEST(ParseService, SliceSaysWhoseItIs) {
  EXPECT_EQ(
      mistakes(fmt::format(
          "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{name: x}}, addressType: IPv4}}\n{}",
          default_namespace)),
      Strings{"1:73 slice-without-service"});
}

/// `spec` begins at line 4, column 7.
std::string felix(std::string_view spec) {
  return resource("FelixConfiguration", fmt::format("metadata: {{name: default}}\nspec: {}", spec));
}

TEST(ParseFelix, SettingsOfAHostAreRead) {
  const Parsed parsed = parse_text(
      felix("{failsafeInboundHostPorts: [{protocol: TCP, port: 22, net: 10.0.0.0/8}, {protocol: udp, port: 68}], "
            "failsafeOutboundHostPorts: [], "
            "defaultEndpointToHostAction: Accept, nftablesFilterDenyAction: Reject, interfacePrefix: 'cali,tap', "
            "disableConntrackInvalidCheck: true, logPrefix: dry, logActionRateLimit: 20/minute, "
            "logActionRateLimitBurst: 7}"));
  ASSERT_TRUE(parsed.diagnostics.empty());
  HostSettings expected;
  expected.failsafe_inbound = {{protocol::tcp, 22, prefix("10.0.0.0/8")}, {protocol::udp, 68, {}}};
  expected.failsafe_outbound.emplace();
  expected.endpoint_to_host = EndpointToHost::accept;
  expected.deny_action = DenyAction::reject;
  expected.workload_prefixes = {"cali", "tap"};
  expected.drop_invalid = false;
  expected.log_prefix = "dry";
  expected.log_rate = LogRate{20, 60};
  expected.log_burst = 7;
  expected.at = {"test.yaml", 1, 1};
  EXPECT_EQ(parsed.inventory.settings, expected);
}

TEST(ParseFelix, NothingWrittenIsNothingSet) {
  HostSettings expected;
  expected.at = {"test.yaml", 1, 1};
  EXPECT_EQ(parse_text(felix("{}")).inventory.settings, expected);
}

TEST(ParseFelix, BadValuesAreMistakes) {
  EXPECT_EQ(mistakes(felix("{vxlanPort: 4789}")), Strings{"4:8 unknown-field"});
  EXPECT_EQ(mistakes(felix("{failsafeInboundHostPorts: ['tcp:22']}")), Strings{"4:35 not-a-mapping"});
  EXPECT_EQ(mistakes(felix("{failsafeInboundHostPorts: [{protocol: jolly, port: 0}]}")),
            (Strings{"4:46 bad-protocol", "4:59 out-of-range"}));
  for (const char* rate : {"20", "20/", "/second", "0/second", "10000/second", "20/week", "-1/day", "2 0/day"}) {
    EXPECT_EQ(mistakes(felix(fmt::format("{{logActionRateLimit: '{}'}}", rate))), Strings{"4:28 bad-rate"}) << rate;
  }
  EXPECT_EQ(mistakes(felix("{logActionRateLimitBurst: 10000}")), Strings{"4:33 out-of-range"});
  EXPECT_EQ(mistakes(felix("{defaultEndpointToHostAction: Allow}")), Strings{"4:37 bad-action"});
  EXPECT_EQ(mistakes(resource("FelixConfiguration", "metadata: {name: node.x}")), Strings{"3:18 bad-name"});
}

}  // namespace
}  // namespace drywall::test
