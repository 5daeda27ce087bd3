// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "tests/policy/parse_text.h"

namespace drywall::test {
namespace {

Policy policy_of(const std::string& text) {
  const Parsed parsed = parse_text(text);
  if (!parsed.diagnostics.empty() || parsed.inventory.policies.size() != 1) return {};
  return parsed.inventory.policies.front();
}

std::string of_kind(std::string_view kind, std::string_view spec) {
  return fmt::format("apiVersion: projectcalico.org/v3\nkind: {}\nmetadata: {{name: p}}\nspec: {}\n", kind, spec);
}

std::string in_default(std::string_view kind, std::string_view spec) {
  return of_kind(kind, spec) + "---\n{apiVersion: v1, kind: Namespace, metadata: {name: default}}\n";
}

TEST(ParsePolicy, SpecMayBeAbsent) {
  const Policy policy = policy_of("{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: p}}");
  EXPECT_EQ(policy.id, (PolicyId{PolicyKind::global_network_policy, "", "p"}));
  EXPECT_EQ(policy.tier, "default");
  EXPECT_EQ(policy.order, std::nullopt);
  EXPECT_TRUE(policy.selector.is_all());
  EXPECT_EQ(policy.selector_text, "");
  EXPECT_TRUE(policy.governs_ingress);
  EXPECT_FALSE(policy.governs_egress);
}

TEST(ParsePolicy, EveryFieldOfAGlobalPolicyIsRead) {
  const Policy policy = policy_of(global_policy(
      "{tier: default, order: 10.5, selector: a == 'b', namespaceSelector: has(n), serviceAccountSelector: has(s), "
      "types: [Ingress, Egress], applyOnForward: true, doNotTrack: true, performanceHints: [AssumeNeededOnEveryNode], "
      "ingress: [{action: Allow}], egress: [{action: Deny}, {action: Log}]}"));
  EXPECT_EQ(policy.order, 10.5);
  EXPECT_EQ(policy.selector, Selector::parse("a == 'b'").value());
  EXPECT_EQ(policy.selector_text, "a == 'b'");
  EXPECT_EQ(policy.namespace_selector, Selector::parse("has(n)").value());
  EXPECT_EQ(policy.service_account_selector, Selector::parse("has(s)").value());
  EXPECT_TRUE(policy.governs_ingress && policy.governs_egress);
  EXPECT_TRUE(policy.untracked && policy.apply_on_forward);
  EXPECT_FALSE(policy.pre_dnat);
  EXPECT_EQ(policy.ingress.size(), 1U);
  EXPECT_EQ(policy.egress.size(), 2U);
  EXPECT_EQ(policy.labels, (Labels{{"projectcalico.org/tier", "default"}}));
  EXPECT_EQ(policy.at, (SourceLocation{"test.yaml", 1, 1}));
}

TEST(ParsePolicy, TypesAreDefaultedFromTheRules) {
  const auto governed = [](std::string_view spec) {
    const Policy policy = policy_of(global_policy(spec));
    return std::pair(policy.governs_ingress, policy.governs_egress);
  };
  EXPECT_EQ(governed("{}"), std::pair(true, false));
  EXPECT_EQ(governed("{ingress: [{action: Allow}]}"), std::pair(true, false));
  EXPECT_EQ(governed("{egress: [{action: Allow}]}"), std::pair(false, true));
  EXPECT_EQ(governed("{ingress: [{action: Allow}], egress: [{action: Allow}]}"), std::pair(true, true));
  EXPECT_EQ(governed("{types: [Egress], ingress: [{action: Allow}]}"), std::pair(false, true));
}

TEST(ParsePolicy, BadTypesAreMistakes) {
  EXPECT_EQ(mistakes(global_policy("{types: [Ingres]}")), Strings{"4:16 bad-type"});
  EXPECT_EQ(mistakes(global_policy("{types: [Egress, Egress]}")), Strings{"4:24 duplicate-entry"});
  EXPECT_EQ(mistakes(global_policy("{types: []}")), Strings{"4:15 no-types"});
  EXPECT_EQ(mistakes(global_policy("{types: Ingress}")), Strings{"4:15 not-a-list"});
}

TEST(ParsePolicy, OrderIsAFiniteNumber) {
  EXPECT_EQ(policy_of(global_policy("{order: -1e3}")).order, -1000);
  EXPECT_EQ(policy_of(global_policy("{order: 0}")).order, 0);
  EXPECT_EQ(policy_of(global_policy("{order: 0x10}")).order, 16);
  for (const std::string_view order : {"first", "'10'", ".nan", ".inf", "[1]", "true", "010", "1_000"}) {
    const std::string text = global_policy(fmt::format("{{order: {}}}", order));
    EXPECT_EQ(mistakes(text), Strings{"4:15 not-a-number"}) << order;
  }
}

TEST(ParsePolicy, TierMustExist) {
  const Parsed parsed = parse_text(global_policy("{tier: securty}") +
                                   "---\n{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: security}}");
  ASSERT_EQ(mistakes(parsed), Strings{"4:14 unknown-tier"});
  EXPECT_EQ(parsed.diagnostics[0].help, "did you mean security? Or write a document of kind Tier with that name");
  EXPECT_TRUE(mistakes(global_policy("{tier: kube-admin}")).empty());
}

TEST(ParsePolicy, TierWithAMistakeExistsAllTheSame) {
  EXPECT_EQ(mistakes(global_policy("{tier: t}") +
                     "---\n{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: t}, spec: {order: x}}"),
            Strings{"6:83 not-a-number"});
}

TEST(ParsePolicy, PreDnatIsIngressOnly) {
  EXPECT_TRUE(mistakes(global_policy("{preDNAT: true, applyOnForward: true, ingress: [{action: Allow}]}")).empty());
  EXPECT_EQ(mistakes(global_policy("{preDNAT: true, applyOnForward: true, egress: [{action: Allow}]}")),
            Strings{"4:45 pre-dnat-egress"});
  EXPECT_EQ(mistakes(global_policy("{preDNAT: true, applyOnForward: true, types: [Ingress, Egress]}")),
            Strings{"4:52 pre-dnat-egress"});
}

TEST(ParsePolicy, UntrackedAndPreDnatNeedApplyOnForwardAndExcludeEachOther) {
  EXPECT_EQ(mistakes(global_policy("{doNotTrack: true}")), Strings{"4:20 needs-apply-on-forward"});
  EXPECT_EQ(mistakes(global_policy("{preDNAT: true, applyOnForward: false}")), Strings{"4:17 needs-apply-on-forward"});
  EXPECT_EQ(mistakes(global_policy("{doNotTrack: true, preDNAT: true, applyOnForward: true}")),
            Strings{"4:35 untracked-and-pre-dnat"});
  EXPECT_EQ(mistakes(global_policy("{doNotTrack: yes, applyOnForward: true}")), Strings{"4:20 not-a-boolean"});
}

TEST(ParsePolicy, GlobalIsNoSubject) {
  EXPECT_EQ(mistakes(global_policy("{selector: global()}")), Strings{"4:18 global-not-allowed"});
  EXPECT_EQ(mistakes(global_policy("{namespaceSelector: global()}")), Strings{"4:27 global-not-allowed"});
  EXPECT_EQ(mistakes(global_policy("{serviceAccountSelector: global()}")), Strings{"4:32 global-not-allowed"});
}

TEST(ParsePolicy, PerformanceHintsAreASet) {
  EXPECT_EQ(mistakes(global_policy("{performanceHints: [junk]}")), Strings{"4:27 bad-hint"});
  EXPECT_EQ(mistakes(global_policy("{performanceHints: [AssumeNeededOnEveryNode, AssumeNeededOnEveryNode]}")),
            Strings{"4:52 duplicate-entry"});
}

TEST(ParsePolicy, NamespacedPolicyHasNoHostOptions) {
  EXPECT_EQ(mistakes(in_default("NetworkPolicy", "{preDNAT: false}")), Strings{"4:8 unknown-field"});
  EXPECT_EQ(mistakes(in_default("NetworkPolicy", "{namespaceSelector: all()}")), Strings{"4:8 unknown-field"});
  const Policy policy =
      policy_of(in_default("NetworkPolicy", "{ingress: [{action: Allow, source: {services: {name: w}}}]}"));
  EXPECT_EQ(policy.id, (PolicyId{PolicyKind::network_policy, "default", "p"}));
  EXPECT_EQ(policy.ingress[0].source.service, (ServiceReference{"", "w"}));
}

TEST(ParsePolicy, StagedActionIsSetIfNotWritten) {
  EXPECT_EQ(policy_of(of_kind("StagedGlobalNetworkPolicy", "{}")).staged_action, StagedAction::set);
  EXPECT_EQ(policy_of(of_kind("StagedGlobalNetworkPolicy", "{stagedAction: ''}")).staged_action, StagedAction::set);
  EXPECT_EQ(policy_of(of_kind("StagedGlobalNetworkPolicy", "{stagedAction: Learn}")).staged_action,
            StagedAction::learn);
  EXPECT_EQ(policy_of(of_kind("StagedGlobalNetworkPolicy", "{stagedAction: Ignore}")).staged_action,
            StagedAction::ignore);
  EXPECT_EQ(mistakes(of_kind("StagedGlobalNetworkPolicy", "{stagedAction: Warning}")),
            Strings{"4:22 bad-staged-action"});
}

TEST(ParsePolicy, DeletionSaysNothingElse) {
  const Policy policy =
      policy_of(in_default("StagedNetworkPolicy", "{stagedAction: Delete, tier: default, types: [Ingress]}"));
  EXPECT_EQ(policy.id.kind, PolicyKind::staged_network_policy);
  EXPECT_EQ(policy.staged_action, StagedAction::remove);
  EXPECT_EQ(
      mistakes(of_kind("StagedGlobalNetworkPolicy", "{stagedAction: Delete, selector: all(), order: 1, ingress: []}")),
      (Strings{"4:30 deletion-with-rules", "4:47 deletion-with-rules"}));
}

TEST(ParsePolicy, StagedActionOfAnEnforcedKindIsAWarningOrAMistake) {
  EXPECT_EQ(mistakes(global_policy("{stagedAction: Set}")), Strings{"4:22 staged-action-in-enforced?"});
  const Parsed parsed = parse_text(global_policy("{stagedAction: Delete}"));
  ASSERT_EQ(mistakes(parsed), Strings{"4:22 staged-action-in-enforced"});
  EXPECT_EQ(parsed.diagnostics[0].help, "write \"kind: StagedGlobalNetworkPolicy\", or leave the line out");
}

TEST(ParsePolicy, PoliciesAreSortedByIdentity) {
  const Parsed parsed = parse_text(in_default("NetworkPolicy", "{}") + "---\n" +
                                   of_kind("StagedGlobalNetworkPolicy", "{}") + "---\n" + global_policy("{}"));
  ASSERT_EQ(parsed.inventory.policies.size(), 3U);
  EXPECT_EQ(parsed.inventory.policies[0].id.kind, PolicyKind::global_network_policy);
  EXPECT_EQ(parsed.inventory.policies[1].id.kind, PolicyKind::network_policy);
  EXPECT_EQ(parsed.inventory.policies[2].id.kind, PolicyKind::staged_global_network_policy);
}

std::string tier(std::string_view name, std::string_view spec) {
  return fmt::format("{{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {{name: {}}},\n spec: {}}}", name,
                     spec);
}

TEST(ParseTier, HasOrderAndDefaultAction) {
  const Parsed parsed = parse_text(tier("mine", "{order: 5, defaultAction: Pass}") + "\n---\n" + tier("plain", "{}"));
  ASSERT_TRUE(parsed.diagnostics.empty());
  EXPECT_EQ(parsed.inventory.tiers[3], (Tier{"mine", 5, Action::pass, {"test.yaml", 1, 1}}));
  EXPECT_EQ(parsed.inventory.tiers[4], (Tier{"plain", 1'000'000, Action::deny, {"test.yaml", 4, 1}}));
}

TEST(ParseTier, DefaultActionIsDenyOrPass) {
  EXPECT_EQ(mistakes(tier("mine", "{defaultAction: Allow}")), Strings{"2:24 bad-action"});
}

TEST(ParseTier, BuiltInTierMayBeWrittenButNotChanged) {
  EXPECT_TRUE(mistakes(tier("default", "{order: 1000000, defaultAction: Deny}")).empty());
  EXPECT_TRUE(mistakes(tier("kube-admin", "{order: 1000.0, defaultAction: Pass}")).empty());
  EXPECT_EQ(mistakes(tier("default", "{order: 10}")), Strings{"2:16 built-in-tier"});
  EXPECT_EQ(mistakes(tier("kube-baseline", "{defaultAction: Deny}")), Strings{"2:24 built-in-tier"});
  EXPECT_EQ(parse_text(tier("default", "{}")).inventory.tiers.size(), 3U);
}

TEST(PolicyKindNames, AreThoseOfFilesAndOfCalicosModel) {
  EXPECT_EQ(file_kind(PolicyKind::kubernetes_network_policy), "NetworkPolicy");
  EXPECT_EQ(model_kind(PolicyKind::kubernetes_network_policy), "KubernetesNetworkPolicy");
  EXPECT_EQ(file_kind(PolicyKind::cluster_network_policy), "ClusterNetworkPolicy");
  EXPECT_EQ(model_kind(PolicyKind::cluster_network_policy), "KubernetesClusterNetworkPolicy");
  EXPECT_EQ(enforced_kind(PolicyKind::staged_kubernetes_network_policy), PolicyKind::kubernetes_network_policy);
  EXPECT_TRUE(is_staged(PolicyKind::staged_network_policy));
  EXPECT_FALSE(is_staged(PolicyKind::network_policy));
  EXPECT_EQ(to_string(PolicyId{PolicyKind::network_policy, "default", "web"}), "NetworkPolicy default/web");
  EXPECT_EQ(to_string(PolicyId{PolicyKind::global_network_policy, "", "web"}), "GlobalNetworkPolicy web");
}

TEST(ParseStaged, ADeletionWithAFieldThatDoesNotExistIsRefusedHoweverEmpty) {
  const std::string head =
      "apiVersion: projectcalico.org/v3\nkind: StagedGlobalNetworkPolicy\nmetadata: {name: p}\nspec: ";
  EXPECT_EQ(mistakes(head + "{stagedAction: Delete, foo: ''}\n"), Strings{"4:30 unknown-field"});
  EXPECT_EQ(mistakes(head + "{stagedAction: Delete, types: 5}\n"), Strings{"4:37 not-a-list"});
  EXPECT_EQ(mistakes(head + "{stagedAction: Delete, ingress: []}\n"), Strings{});
}

}  // namespace
}  // namespace drywall::test
