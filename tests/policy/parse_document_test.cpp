// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/policy/parse_text.h"

namespace drywall::test {
namespace {

TEST(ParseDocument, EmptyDirectoryHasBuiltInTiersAndProfile) {
  const Parsed parsed = parse({});
  ASSERT_EQ(parsed.inventory.tiers.size(), 3U);
  EXPECT_EQ(parsed.inventory.tiers[0], (Tier{"default", 1'000'000, Action::deny, {}}));
  EXPECT_EQ(parsed.inventory.tiers[1], (Tier{"kube-admin", 1'000, Action::pass, {}}));
  EXPECT_EQ(parsed.inventory.tiers[2], (Tier{"kube-baseline", 10'000'000, Action::pass, {}}));
  ASSERT_EQ(parsed.inventory.profiles.size(), 1U);
  EXPECT_EQ(parsed.inventory.profiles[0].name, "projectcalico-default-allow");
  EXPECT_EQ(parsed.inventory.profiles[0].ingress.size(), 1U);
  EXPECT_EQ(parsed.inventory.profiles[0].egress.size(), 1U);
  EXPECT_TRUE(parsed.diagnostics.empty());
}

TEST(ParseDocument, MissingTypeIsAMistake) {
  EXPECT_EQ(mistakes("metadata: {name: a}"), (Strings{"1:1 missing-field", "1:1 missing-field"}));
  EXPECT_EQ(mistakes("apiVersion: v1\nmetadata: {name: a}"), Strings{"1:1 missing-field"});
  const Parsed parsed = parse_text("kind: ClusterNetworkPolicy\nmetadata: {name: a}");
  ASSERT_EQ(parsed.diagnostics.size(), 1U);
  EXPECT_EQ(parsed.diagnostics[0].help, "write \"apiVersion: policy.networking.k8s.io/v1alpha2\"");
}

TEST(ParseDocument, EmptyTypeIsAMissingOne) {
  EXPECT_EQ(mistakes("{apiVersion: '', kind: Tier, metadata: {name: a}}"), Strings{"1:1 missing-field"});
  EXPECT_EQ(mistakes("{apiVersion: v1, kind: '', metadata: {name: a}}"), Strings{"1:1 missing-field"});
  EXPECT_EQ(mistakes("{apiVersion: v1, kind: [Namespace], metadata: {name: a}}"), Strings{"1:24 not-text"});
}

TEST(ParseDocument, DocumentMustBeAMapping) {
  EXPECT_EQ(mistakes("- a\n- b"), Strings{"1:1 not-a-mapping"});
  EXPECT_EQ(mistakes("hello"), Strings{"1:1 not-a-mapping"});
}

TEST(ParseDocument, MisspeltKindIsCorrected) {
  const Parsed parsed = parse_text("apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolcy\nmetadata: {name: a}");
  ASSERT_EQ(mistakes(parsed), Strings{"2:7 unknown-kind"});
  EXPECT_EQ(parsed.diagnostics[0].help, "did you mean GlobalNetworkPolicy?");
}

TEST(ParseDocument, KindInAWrongGroupIsAMistakeThatNamesTheRightOne) {
  const Parsed crd = parse_text("apiVersion: crd.projectcalico.org/v1\nkind: NetworkPolicy\nmetadata: {name: a}");
  ASSERT_EQ(mistakes(crd), Strings{"1:13 wrong-api-version"});
  EXPECT_EQ(crd.diagnostics[0].help, "write \"apiVersion: projectcalico.org/v3\"");
  const Parsed old = parse_text("apiVersion: extensions/v1beta1\nkind: NetworkPolicy\nmetadata: {name: a}");
  ASSERT_EQ(mistakes(old), Strings{"1:13 wrong-api-version"});
  EXPECT_EQ(old.diagnostics[0].help, "write \"apiVersion: networking.k8s.io/v1\"");
}

TEST(ParseDocument, RetiredKindsAreRefusedByName) {
  for (const std::string_view kind : {"AdminNetworkPolicy", "BaselineAdminNetworkPolicy"}) {
    const Parsed parsed =
        parse_text(fmt::format("apiVersion: policy.networking.k8s.io/v1alpha1\nkind: {}\nmetadata: {{name: a}}", kind));
    ASSERT_EQ(mistakes(parsed), Strings{"2:7 unsupported-kind"});
    EXPECT_NE(parsed.diagnostics[0].help.find("ClusterNetworkPolicy"), std::string::npos);
  }
  for (const std::string_view kind : {"CalicoNetworkPolicy", "StagedCalicoNetworkPolicy"}) {
    const Parsed parsed =
        parse_text(fmt::format("apiVersion: projectcalico.org/v3\nkind: {}\nmetadata: {{name: a}}", kind));
    EXPECT_EQ(mistakes(parsed), Strings{"2:7 unsupported-kind"});
  }
}

TEST(ParseDocument, UnknownFieldIsAMistake) {
  const Parsed parsed = parse_text(global_policy("{selectr: all()}"));
  ASSERT_EQ(mistakes(parsed), Strings{"4:8 unknown-field"});
  EXPECT_EQ(parsed.diagnostics[0].help, "did you mean selector?");
  EXPECT_EQ(mistakes(global_policy("{}") + "extra: 1\n"), Strings{"5:1 unknown-field"});
}

TEST(ParseDocument, FieldOnTheWrongLevelIsExplained) {
  const Parsed parsed =
      parse_text("apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: a}\nselector: all()");
  ASSERT_EQ(mistakes(parsed), Strings{"4:1 unknown-field"});
  EXPECT_EQ(parsed.diagnostics[0].help, "write it below \"spec:\", indented");
}

TEST(ParseDocument, WhatAnApiServerFillsInIsLeftOut) {
  const Parsed parsed = parse_text(R"(
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata:
  name: a
  uid: 9c0d
  resourceVersion: "12"
  generation: 3
  creationTimestamp: 2026-01-01T00:00:00Z
  managedFields: [{manager: kubectl}]
  selfLink: /x
  ownerReferences: []
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: "{}"
    note: kept
spec: {}
status: {conditions: []}
)");
  ASSERT_TRUE(parsed.diagnostics.empty());
  EXPECT_EQ(parsed.inventory.policies[0].annotations, (std::map<std::string, std::string>{{"note", "kept"}}));
}

TEST(ParseDocument, ListIsUnpacked) {
  const Parsed parsed = parse_text(R"(
apiVersion: v1
kind: List
metadata: {resourceVersion: ""}
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: a}}
- {apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: t}}
)");
  EXPECT_TRUE(parsed.diagnostics.empty());
  EXPECT_EQ(parsed.inventory.tiers.size(), 4U);
  EXPECT_EQ(parsed.inventory.profiles[0].name, "kns.a");
}

TEST(ParseDocument, ItemsOfAKindsListNeedNoKind) {
  const Parsed parsed = parse_text(R"({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicyList", "items": [
 {"metadata": {"name": "a", "namespace": "default"}, "spec": {"podSelector": {}}}]})");
  EXPECT_EQ(mistakes(parsed), Strings{"2:42 undeclared-namespace?"});
  ASSERT_EQ(parsed.inventory.policies.size(), 1U);
  EXPECT_EQ(parsed.inventory.policies[0].id.kind, PolicyKind::kubernetes_network_policy);
}

TEST(ParseDocument, DuplicateIdentityNamesBothPlaces) {
  const std::vector<yaml::SourceFile> files{{"b.yaml", global_policy("{}")}, {"a.yaml", global_policy("{}")}};
  const Parsed parsed = parse(files);
  ASSERT_EQ(parsed.diagnostics.size(), 1U);
  EXPECT_EQ(parsed.diagnostics[0].code, "duplicate-resource");
  EXPECT_EQ(to_string(parsed.diagnostics[0].at), "b.yaml:3:18");
  EXPECT_NE(parsed.diagnostics[0].message.find("a.yaml:3:18"), std::string::npos);
}

TEST(ParseDocument, SameNameInAnotherKindIsNoDuplicate) {
  EXPECT_TRUE(mistakes(R"(
{apiVersion: v1, kind: Namespace, metadata: {name: default}}
---
{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: a}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a}, spec: {podSelector: {}}}
---
{apiVersion: projectcalico.org/v3, kind: StagedNetworkPolicy, metadata: {name: a}}
---
{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: a}}
)")
                  .empty());
}

TEST(ParseDocument, AllMistakesAreFoundAtOnce) {
  EXPECT_EQ(
      mistakes(global_policy("{selector: 'a = b', tier: nowhere, order: x, typos: 1}") +
               "---\n{apiVersion: v1, kind: Pod}\n---\n" + "{apiVersion: v1, kind: Namespace, metadata: {name: A}}"),
      (Strings{"4:21 bad-selector", "4:49 not-a-number", "4:52 unknown-field", "6:24 unknown-kind", "8:52 bad-name"}));
}

TEST(ParseDocument, UnreadableFileHidesNoMistakesOfOthersButCausesNone) {
  const std::vector<yaml::SourceFile> files{{"tiers.yaml", "kind: [\n"},
                                            {"p.yaml", global_policy("{tier: mine, order: x}")}};
  const Parsed parsed = parse(files);
  ASSERT_EQ(parsed.diagnostics.size(), 2U);
  EXPECT_EQ(parsed.diagnostics[0].code, "not-a-number");  // and no unknown-tier: the tier may be in the other file
}

TEST(ParseDocument, FilesInAnyOrderGiveTheSame) {
  std::vector<yaml::SourceFile> files{
      {"a.yaml", global_policy("{}")},
      {"b.yaml", "{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: t}}"}};
  const Parsed forwards = parse(files);
  std::swap(files[0], files[1]);
  EXPECT_EQ(parse(files), forwards);
}

TEST(ParseDocument, MistakesAreBounded) {
  std::string text = "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: a}\nspec:\n";
  for (int i = 0; i < 3000; ++i) text += fmt::format("  x{}: 1\n", i);
  const Parsed parsed = parse_text(text);
  ASSERT_EQ(parsed.diagnostics.size(), 1001U);
  EXPECT_EQ(parsed.diagnostics[0].code, "too-many-mistakes");
}

TEST(ParseDocument, MissionExamplesLoad) {
  const std::filesystem::path folder = std::filesystem::path(DRYWALL_SOURCE_DIR) / "tests/golden/mission";
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream in(entry.path());
    const Parsed parsed = parse_text(std::string(std::istreambuf_iterator<char>(in), {}));
    EXPECT_FALSE(has_errors(parsed.diagnostics)) << entry.path();
    EXPECT_FALSE(parsed.inventory.policies.empty()) << entry.path();
    ++count;
  }
  EXPECT_EQ(count, 5U);
}

}  // namespace
}  // namespace drywall::test
