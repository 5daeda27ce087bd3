// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/lint.h"

#include <gtest/gtest.h>

#include "tests/policy/parse_text.h"

namespace drywall::test {
namespace {

constexpr std::string_view host_web = R"(---
{apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: {name: h, labels: {role: web}},
 spec: {node: n, interfaceName: eth0, ports: [{name: http, protocol: TCP, port: 80}]}}
)";
constexpr std::string_view workload_db = R"(---
{apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {env: prod}}}
---
{apiVersion: projectcalico.org/v3, kind: WorkloadEndpoint, metadata: {name: w, labels: {role: db}},
 spec: {node: n, interfaceName: c, ipNetworks: [10.0.0.1/32], profiles: [kns.default]}}
)";

/// Every warning of lint() as "LINE:COLUMN CODE"; the text has no mistakes.
Strings warnings(const std::string& text) {
  const Parsed parsed = parse_text(text);
  if (!parsed.diagnostics.empty()) return {to_string(parsed.diagnostics[0])};
  Strings out;
  for (const Diagnostic& d : lint(parsed.inventory)) {
    EXPECT_EQ(d.severity, Severity::warning);
    EXPECT_FALSE(d.help.empty());
    out.push_back(fmt::format("{}:{} {}", d.at.line, d.at.column, d.code));
  }
  return out;
}

std::string beside_host(std::string_view spec) {
  return global_policy(spec).append(host_web);
}

std::string kubernetes(std::string_view spec) {
  return fmt::format("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p}}\nspec: {}\n", spec)
      .append(host_web)
      .append(workload_db);
}

TEST(Lint, NothingIsSaidOfGoodPolicies) {
  EXPECT_TRUE(
      warnings(beside_host("{selector: role == 'web', ingress: [{action: Allow, source: {selector: role == 'web'}}]}"))
          .empty());
}

TEST(Lint, WithoutEndpointsNothingIsSaidOfSelectors) {
  EXPECT_TRUE(
      warnings(global_policy("{selector: role == 'x', ingress: [{action: Allow, source: {selector: a == 'b'}}]}"))
          .empty());
}

TEST(Lint, PolicyThatSelectsNobodyIsSuspect) {
  EXPECT_EQ(warnings(beside_host("{selector: role == 'wbe'}")), Strings{"1:1 selects-nobody"});
  EXPECT_EQ(warnings(beside_host("{selector: all(), namespaceSelector: all()}")), Strings{"1:1 selects-nobody"});
}

TEST(Lint, RuleWhosePeerMatchesNobodyIsSuspect) {
  EXPECT_EQ(warnings(beside_host("{ingress: [{action: Allow, source: {selector: role == 'wbe'}}]}")),
            Strings{"4:18 matches-nobody"});
  EXPECT_EQ(warnings(beside_host("{egress: [{action: Allow, destination: {namespaceSelector: has(x)}}]}")),
            Strings{"4:17 matches-nobody"});
}

TEST(Lint, NetworkSetsAndInheritedLabelsCount) {
  const std::string_view set =
      "---\n{apiVersion: projectcalico.org/v3, kind: NetworkSet, metadata: {name: s, labels: {list: bad}}}\n";
  EXPECT_TRUE(
      warnings(beside_host(
                   "{ingress: [{action: Deny, source: {selector: list == 'bad', namespaceSelector: env == 'prod'}}]}")
                   .append(workload_db)
                   .append(set))
          .empty());
}

TEST(Lint, PortNameThatNobodyDeclaresIsSuspect) {
  EXPECT_TRUE(warnings(beside_host("{ingress: [{action: Allow, destination: {ports: [http]}}]}")).empty());
  EXPECT_EQ(warnings(beside_host("{ingress: [{action: Allow, destination: {ports: [https]}}]}")),
            Strings{"4:18 unknown-port-name"});
}

TEST(Lint, UnknownServiceIsSuspect) {
  EXPECT_EQ(warnings(beside_host("{ingress: [{action: Allow, source: {services: {name: a, namespace: b}}}]}")),
            Strings{"4:18 unknown-service"});
}

TEST(Lint, RuleBehindAnUnconditionalOneIsNeverReached) {
  EXPECT_EQ(warnings(beside_host("{ingress: [{action: Allow}, {action: Deny}, {action: Deny}]}")),
            Strings{"4:35 never-reached"});
  EXPECT_TRUE(warnings(beside_host("{ingress: [{action: Log}, {action: Deny}]}")).empty());
  EXPECT_TRUE(warnings(beside_host("{ingress: [{action: Allow, ipVersion: 4}, {action: Deny}]}")).empty());
}

TEST(Lint, RulesOfADirectionThatIsNotGovernedAreSuspect) {
  EXPECT_EQ(warnings(beside_host("{types: [Ingress], egress: [{action: Allow}]}")), Strings{"4:35 rules-without-type"});
}

TEST(Lint, KubernetesPolicyNeverGovernsAHost) {
  EXPECT_EQ(warnings(kubernetes("{podSelector: {matchLabels: {role: web}}}")),
            Strings{"1:1 kubernetes-policy-on-host"});
  EXPECT_EQ(warnings(kubernetes("{podSelector: {matchLabels: {role: none}}}")), Strings{"1:1 selects-nobody"});
  EXPECT_TRUE(warnings(kubernetes("{podSelector: {matchLabels: {role: db}}}")).empty());
}

TEST(Lint, UntrackedTrafficNeedsAWayBack) {
  EXPECT_EQ(warnings(beside_host("{doNotTrack: true, applyOnForward: true, ingress: [{action: Allow}]}")),
            Strings{"1:1 untracked-one-way"});
  EXPECT_EQ(warnings(beside_host("{doNotTrack: true, applyOnForward: true, egress: [{action: Allow}]}")),
            Strings{"1:1 untracked-one-way"});
  EXPECT_TRUE(
      warnings(beside_host(
                   "{doNotTrack: true, applyOnForward: true, ingress: [{action: Allow}], egress: [{action: Allow}]}"))
          .empty());
  EXPECT_TRUE(warnings(beside_host("{doNotTrack: true, applyOnForward: true, ingress: [{action: Deny}]}")).empty());
}

TEST(Lint, HostOptionsMeanNothingForWorkloads) {
  EXPECT_EQ(warnings(beside_host("{selector: role == 'db', preDNAT: true, applyOnForward: true}").append(workload_db)),
            Strings{"1:1 host-policy-on-workload"});
}

TEST(Lint, DeletionOfNothingIsSuspect) {
  const std::string deletion =
      "{apiVersion: projectcalico.org/v3, kind: StagedGlobalNetworkPolicy, metadata: {name: p}, spec: {stagedAction: "
      "Delete}}\n";
  EXPECT_EQ(warnings(deletion), Strings{"1:1 deletes-nothing"});
  EXPECT_TRUE(warnings(deletion + "---\n" + global_policy("{}")).empty());
}

TEST(Lint, WorkloadWithoutAddressesIsSuspect) {
  EXPECT_EQ(warnings("{apiVersion: v1, kind: Namespace, metadata: {name: default}}\n---\n"
                     "{apiVersion: projectcalico.org/v3, kind: WorkloadEndpoint, metadata: {name: w}, spec: {node: n, "
                     "interfaceName: c}}"),
            Strings{"3:1 no-addresses"});
}

TEST(LintBridges, WarnsOfAnEndpointOnAPortOfABridge) {
  const Parsed parsed = parse_text(std::string(host_web) + std::string(workload_db));
  Host host;
  host.node = "n";
  host.interfaces = {{"br0", {}, ""}, {"c", {}, "br0"}, {"eth0", {}, ""}};
  const Diagnostics found = lint_bridges(parsed.inventory, host);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].code, "behind-bridge");
  EXPECT_NE(found[0].message.find("c is a port of the bridge br0"), std::string::npos);
  host.interfaces[2].bridge = "br0";
  EXPECT_EQ(lint_bridges(parsed.inventory, host).size(), 2U);
  host.node = "elsewhere";
  EXPECT_TRUE(lint_bridges(parsed.inventory, host).empty());
}

}  // namespace
}  // namespace drywall::test
