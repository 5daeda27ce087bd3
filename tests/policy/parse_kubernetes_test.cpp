// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "tests/policy/parse_text.h"

namespace drywall::test {
namespace {

/// `spec` begins at line 4, column 7.
std::string kubernetes(std::string_view spec) {
  return fmt::format(
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p}}\nspec: {}\n"
      "---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: default}}}}\n",
      spec);
}

std::string staged(std::string_view spec) {
  return fmt::format(
      "apiVersion: projectcalico.org/v3\nkind: StagedKubernetesNetworkPolicy\nmetadata: {{name: p}}\nspec: {}\n"
      "---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: default}}}}\n",
      spec);
}

/// `rule` begins at line 4, column 35.
std::string ingress(std::string_view rule) {
  return kubernetes(fmt::format("{{podSelector: {{}}, ingress: [{}]}}", rule));
}

Policy policy_of(const std::string& text) {
  const Parsed parsed = parse_text(text);
  if (!parsed.diagnostics.empty() || parsed.inventory.policies.size() != 1) return {};
  return parsed.inventory.policies.front();
}

Selector selector(std::string_view text) {
  return Selector::parse(text).value();
}
Prefix prefix(std::string_view text) {
  return parse_prefix(text).value();
}

TEST(ParseKubernetes, HasTierDefaultOrder1000AndTheOrchestratorTerm) {
  const Policy policy = policy_of(kubernetes("{podSelector: {}}"));
  EXPECT_EQ(policy.id, (PolicyId{PolicyKind::kubernetes_network_policy, "default", "p"}));
  EXPECT_EQ(policy.tier, "default");
  EXPECT_EQ(policy.order, 1000);
  EXPECT_EQ(policy.selector, selector("projectcalico.org/orchestrator == 'k8s'"));
  EXPECT_EQ(policy.selector_text, policy.selector.canonical());
}

TEST(ParseKubernetes, LabelSelectorBecomesASelector) {
  const Policy policy = policy_of(kubernetes(
      "{podSelector: {matchLabels: {b: y, a: x}, matchExpressions: [{key: c, operator: In, values: [p, q]}, "
      "{key: d, operator: NotIn, values: [r]}, {key: e, operator: Exists}, {key: f, operator: DoesNotExist}]}}"));
  EXPECT_EQ(policy.selector,
            selector("projectcalico.org/orchestrator == 'k8s' && a == 'x' && b == 'y' && c in {'p', 'q'} && "
                     "d not in {'r'} && has(e) && !has(f)"));
}

TEST(ParseKubernetes, PolicyTypesAreDefaultedAsTheApiServerDoes) {
  for (const auto& document : {kubernetes, staged}) {
    EXPECT_TRUE(policy_of(document("{podSelector: {}}")).governs_ingress);
    EXPECT_FALSE(policy_of(document("{podSelector: {}}")).governs_egress);
    const Policy policy = policy_of(document("{podSelector: {}, egress: [{}]}"));
    EXPECT_TRUE(policy.governs_ingress && policy.governs_egress);
    EXPECT_FALSE(policy_of(document("{podSelector: {}, policyTypes: [Egress]}")).governs_ingress);
  }
}

TEST(ParseKubernetes, EmptyRuleAllowsEverything) {
  const Policy policy = policy_of(ingress("{}"));
  ASSERT_EQ(policy.ingress.size(), 1U);
  Rule everything;
  everything.at = {"test.yaml", 4, 35};
  EXPECT_EQ(policy.ingress[0], everything);
}

TEST(ParseKubernetes, PeersAreSelectedByLabels) {
  const Policy policy =
      policy_of(ingress("{from: [{podSelector: {matchLabels: {a: b}}}, {namespaceSelector: {}}, {podSelector: {}, "
                        "namespaceSelector: {matchLabels: {c: d}}}]}"));
  ASSERT_EQ(policy.ingress.size(), 3U);
  EXPECT_EQ(policy.ingress[0].source.selector, selector("projectcalico.org/orchestrator == 'k8s' && a == 'b'"));
  EXPECT_EQ(policy.ingress[0].source.namespace_selector, std::nullopt);
  EXPECT_EQ(policy.ingress[1].source.selector, selector("projectcalico.org/orchestrator == 'k8s'"));
  EXPECT_EQ(policy.ingress[1].source.namespace_selector, Selector::all());
  EXPECT_EQ(policy.ingress[2].source.namespace_selector, selector("c == 'd'"));
}

TEST(ParseKubernetes, IpBlockIsMaskedAndHasHoles) {
  const Policy policy = policy_of(ingress("{from: [{ipBlock: {cidr: 192.168.1.1/16, except: [192.168.3.9/24]}}]}"));
  ASSERT_EQ(policy.ingress.size(), 1U);
  EXPECT_EQ(policy.ingress[0].source.nets, std::vector{prefix("192.168.0.0/16")});
  EXPECT_EQ(policy.ingress[0].source.not_nets, std::vector{prefix("192.168.3.0/24")});
  EXPECT_EQ(policy.ingress[0].family, Family::v4);
  EXPECT_EQ(policy.ingress[0].source.selector, std::nullopt);
}

TEST(ParseKubernetes, RulesAreExpandedByProtocolThenPeer) {
  const Policy policy = policy_of(kubernetes(
      "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}, {podSelector: {}}], "
      "ports: [{protocol: UDP, port: 90}, {port: 82}, {port: http}, {port: 80, endPort: 81}, {protocol: SCTP}]}]}"));
  ASSERT_EQ(policy.egress.size(), 6U);
  const std::array protocols{protocol::sctp, protocol::tcp, protocol::udp};
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(policy.egress[i].protocol, protocols[i / 2]);
    EXPECT_EQ(policy.egress[i].destination.nets.empty(), i % 2 == 1);
    EXPECT_EQ(policy.egress[i].at, policy.egress[0].at);
  }
  EXPECT_TRUE(policy.egress[0].destination.ports.empty());
  EXPECT_EQ(policy.egress[2].destination.ports.ranges, (std::vector<PortRange>{{80, 82}}));
  EXPECT_EQ(policy.egress[2].destination.ports.names, std::vector<std::string>{"http"});
  EXPECT_EQ(policy.egress[4].destination.ports.ranges, (std::vector<PortRange>{{90, 90}}));
}

TEST(ParseKubernetes, EntryWithoutPortIsEveryPortOfItsProtocol) {
  const Policy policy = policy_of(ingress("{ports: [{port: 80}, {}, {port: 81}]}"));
  ASSERT_EQ(policy.ingress.size(), 1U);
  EXPECT_EQ(policy.ingress[0].protocol, protocol::tcp);
  EXPECT_TRUE(policy.ingress[0].destination.ports.empty());
}

TEST(ParseKubernetes, WhatCalicoWouldDropIsAMistake) {
  EXPECT_EQ(mistakes(ingress("{from: [{}]}")), Strings{"4:43 empty-peer"});
  EXPECT_EQ(mistakes(ingress("{from: [{ipBlock: {cidr: 192.168.0.0/55}}]}")), Strings{"4:60 bad-cidr"});
  EXPECT_EQ(mistakes(ingress("{from: [{ipBlock: {}}]}")), Strings{"4:53 missing-field"});
  EXPECT_EQ(mistakes(ingress("{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/9]}}]}")),
            Strings{"4:81 except-outside-cidr"});
  EXPECT_EQ(mistakes(ingress("{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}")),
            Strings{"4:81 except-outside-cidr"});
  EXPECT_EQ(mistakes(ingress("{from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}")),
            Strings{"4:86 ip-block-with-selector"});
  EXPECT_EQ(mistakes(ingress("{ports: [{port: '-50:-1'}]}")), Strings{"4:51 bad-port"});
  EXPECT_EQ(mistakes(ingress("{ports: [{port: '80'}]}")), Strings{"4:51 bad-port"});
  EXPECT_EQ(mistakes(ingress("{ports: [{port: 0}]}")), Strings{"4:51 out-of-range"});
  EXPECT_EQ(mistakes(ingress("{ports: [{port: 80, endPort: 79}]}")), Strings{"4:64 reversed-range"});
  EXPECT_EQ(mistakes(ingress("{ports: [{endPort: 79}]}")), Strings{"4:54 end-port-without-port"});
  EXPECT_EQ(mistakes(ingress("{ports: [{port: http, endPort: 79}]}")), Strings{"4:66 end-port-without-port"});
  EXPECT_EQ(mistakes(ingress("{ports: [{protocol: ICMP}]}")), Strings{"4:55 bad-protocol"});
}

TEST(ParseKubernetes, BadLabelSelectorsAreMistakes) {
  const auto pods = [](std::string_view text) {
    return mistakes(kubernetes(fmt::format("{{podSelector: {}}}", text)));
  };
  EXPECT_EQ(pods("{matchLabels: {'a b': c}}"), Strings{"4:36 bad-label-key"});
  EXPECT_EQ(pods("{matchLabels: {a: 'b c'}}"), Strings{"4:39 bad-label-value"});
  EXPECT_EQ(pods("{matchExpressions: [{key: a, operator: in, values: [b]}]}"), Strings{"4:60 bad-operator"});
  EXPECT_EQ(pods("{matchExpressions: [{key: a, operator: In}]}"), Strings{"4:41 missing-field"});
  EXPECT_EQ(pods("{matchExpressions: [{key: a, operator: Exists, values: [b]}]}"), Strings{"4:76 values-without-use"});
  EXPECT_EQ(pods("{matchExpressions: [{operator: Exists}]}"), Strings{"4:41 missing-field"});
  EXPECT_EQ(pods("{matchExpressions: [{key: '', operator: Exists}]}"), Strings{"4:47 bad-label-key"});
  EXPECT_EQ(pods("{matchExpressions: [null]}"), Strings{"4:41 not-a-mapping"});
  EXPECT_EQ(pods("{role: db}"), Strings{"4:22 unknown-field"});
}

TEST(ParseKubernetes, PodSelectorIsNeeded) {
  EXPECT_EQ(mistakes(kubernetes("{}")), Strings{"4:7 missing-field"});
}

TEST(ParseKubernetes, CalicosFieldsAreExplained) {
  const Parsed parsed = parse_text(kubernetes("{podSelector: {}, types: [Ingress]}"));
  ASSERT_EQ(mistakes(parsed), Strings{"4:25 unknown-field"});
  EXPECT_EQ(parsed.diagnostics[0].help, "write \"policyTypes\"");
}

TEST(ParseKubernetes, StagedDeletionSaysNothingElse) {
  EXPECT_EQ(policy_of(staged("{stagedAction: Delete, podSelector: {}}")).staged_action, StagedAction::remove);
  EXPECT_EQ(mistakes(staged("{stagedAction: Delete, ingress: [{}]}")), Strings{"4:30 deletion-with-rules"});
  EXPECT_EQ(policy_of(staged("{podSelector: {}}")).id.kind, PolicyKind::staged_kubernetes_network_policy);
}

TEST(ParseKubernetes, ExpansionIsBounded) {
  std::string peers;
  std::string ports;
  for (int i = 0; i < 4000; ++i) {
    peers += "{podSelector: {}},";
    ports += fmt::format("{{port: {}}},", 1 + 2 * i);
  }
  const Parsed parsed = parse_text(ingress(fmt::format("{{from: [{}], ports: [{}]}}", peers, ports)));
  ASSERT_EQ(parsed.diagnostics.size(), 1U);
  EXPECT_EQ(parsed.diagnostics[0].code, "too-many");
}

/// `spec` begins at line 4, column 7.
std::string cluster(std::string_view spec) {
  return fmt::format(
      "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {{name: p}}\nspec: {}\n",
      spec);
}
/// `rules` begins at line 4, column 62.
std::string cluster_rules(std::string_view rules) {
  return cluster(fmt::format("{{tier: Admin, priority: 10, subject: {{namespaces: {{}}}}, {}}}", rules));
}

TEST(ParseClusterPolicy, TierAndPriorityDecideItsPlace) {
  const Policy admin = policy_of(cluster("{tier: Admin, priority: 0, subject: {namespaces: {matchLabels: {a: b}}}}"));
  EXPECT_EQ(admin.id, (PolicyId{PolicyKind::cluster_network_policy, "", "p"}));
  EXPECT_EQ(admin.tier, "kube-admin");
  EXPECT_EQ(admin.order, 0);
  EXPECT_EQ(admin.namespace_selector, selector("a == 'b'"));
  EXPECT_EQ(admin.selector, selector("projectcalico.org/orchestrator == 'k8s'"));
  EXPECT_FALSE(admin.governs_ingress || admin.governs_egress);
  const Policy baseline =
      policy_of(cluster("{tier: Baseline, priority: 1000, subject: {pods: {podSelector: {matchLabels: {c: d}}}}}"));
  EXPECT_EQ(baseline.tier, "kube-baseline");
  EXPECT_EQ(baseline.namespace_selector, Selector::all());
  EXPECT_EQ(baseline.selector, selector("projectcalico.org/orchestrator == 'k8s' && c == 'd'"));
}

TEST(ParseClusterPolicy, RulesAreExpandedByProtocolThenPeer) {
  const Policy policy =
      policy_of(cluster_rules("ingress: [{name: x, action: Pass, from: [{namespaces: {matchLabels: {k: v}}}, {pods: "
                              "{podSelector: {}}}], protocols: "
                              "[{udp: {destinationPort: {range: {start: 20, end: 30}}}}, {tcp: {destinationPort: "
                              "{number: 80}}}, {destinationNamedPort: http}]}]"));
  ASSERT_EQ(policy.ingress.size(), 6U);
  EXPECT_TRUE(policy.governs_ingress);
  EXPECT_FALSE(policy.governs_egress);
  EXPECT_EQ(policy.ingress[0].action, Action::pass);
  EXPECT_EQ(policy.ingress[0].protocol, std::nullopt);
  EXPECT_EQ(policy.ingress[0].destination.ports.names, std::vector<std::string>{"http"});
  EXPECT_EQ(policy.ingress[0].source.selector, std::nullopt);
  EXPECT_EQ(policy.ingress[0].source.namespace_selector, selector("k == 'v'"));
  EXPECT_EQ(policy.ingress[1].source.selector, selector("projectcalico.org/orchestrator == 'k8s'"));
  EXPECT_EQ(policy.ingress[1].source.namespace_selector, Selector::all());
  EXPECT_EQ(policy.ingress[2].protocol, protocol::tcp);
  EXPECT_EQ(policy.ingress[4].protocol, protocol::udp);
  EXPECT_EQ(policy.ingress[4].destination.ports.ranges, (std::vector<PortRange>{{20, 30}}));
}

TEST(ParseClusterPolicy, NetworksMayBeOfBothFamilies) {
  const Policy policy = policy_of(cluster_rules("egress: [{action: Deny, to: [{networks: [0.0.0.0/0, '::/0']}]}]"));
  ASSERT_EQ(policy.egress.size(), 1U);
  EXPECT_EQ(policy.egress[0].action, Action::deny);
  EXPECT_EQ(policy.egress[0].family, std::nullopt);
  EXPECT_EQ(policy.egress[0].destination.nets.size(), 2U);
}

TEST(ParseClusterPolicy, EmptyProtocolIsAMistakeNotEverything) {
  const auto protocols = [](std::string_view text) {
    return mistakes(cluster_rules(
        fmt::format("ingress: [{{action: Accept, from: [{{namespaces: {{}}}}], protocols: [{}]}}]", text)));
  };
  EXPECT_EQ(protocols("{}"), Strings{"4:127 bad-protocol"});
  EXPECT_EQ(protocols("{destinationNamedPort: ''}"), Strings{"4:127 bad-protocol"});
  EXPECT_EQ(protocols("{tcp: {}, udp: {}}"), Strings{"4:127 bad-protocol"});
  EXPECT_EQ(protocols("{tcp: {destinationPort: {}}}"), Strings{"4:151 bad-port"});
  EXPECT_EQ(protocols("{TCP: {}}"), (Strings{"4:127 bad-protocol", "4:128 unknown-field"}));
}

TEST(ParseClusterPolicy, WhatCalicoWouldDropIsAMistake) {
  EXPECT_EQ(mistakes(cluster("{tier: Other, priority: 1, subject: {namespaces: {}}}")), Strings{"4:14 bad-tier"});
  EXPECT_EQ(mistakes(cluster("{tier: Admin, priority: 1001, subject: {namespaces: {}}}")),
            Strings{"4:31 out-of-range"});
  EXPECT_EQ(mistakes(cluster("{tier: Admin, priority: 1, subject: {}}")), Strings{"4:43 bad-subject"});
  EXPECT_EQ(mistakes(cluster("{tier: Admin, priority: 1}")), Strings{"4:7 missing-field"});
  EXPECT_EQ(mistakes(cluster_rules("ingress: [{action: Log, from: [{namespaces: {}}]}]")), Strings{"4:81 bad-action"});
  EXPECT_EQ(mistakes(cluster_rules("ingress: [{action: Allow, from: [{namespaces: {}}]}]")),
            Strings{"4:81 bad-action"});
  EXPECT_EQ(mistakes(cluster_rules("ingress: [{action: Deny, from: [{}]}]")), Strings{"4:94 empty-peer"});
  EXPECT_EQ(mistakes(cluster_rules("ingress: [{action: Deny, from: []}]")), Strings{"4:72 missing-field"});
  EXPECT_EQ(mistakes(cluster_rules("egress: [{action: Deny, to: [{nodes: {}}]}]")), Strings{"4:92 peer-unsupported"});
  EXPECT_EQ(mistakes(cluster_rules("egress: [{action: Deny, to: [{networks: [1.1.1.1/66]}]}]")),
            Strings{"4:103 bad-cidr"});
  EXPECT_EQ(mistakes(cluster_rules("egress: [{action: Deny, to: [{namespaces: {}}], ports: []}]")),
            Strings{"4:110 unknown-field"});
}

TEST(ParseClusterPolicy, APeerOfNoNetworksIsRefusedNotEverybody) {
  const std::string text =
      "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: p}\n"
      "spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Accept, to: [{networks: []}]}]}\n";
  EXPECT_EQ(mistakes(text), Strings{"4:103 empty-networks"});
}

}  // namespace
}  // namespace drywall::test
