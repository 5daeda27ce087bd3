// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "tests/policy/parse_text.h"

namespace drywall::test {
namespace {

std::string named(std::string_view kind, std::string_view metadata) {
  return fmt::format("apiVersion: projectcalico.org/v3\nkind: {}\nmetadata: {}\n", kind, metadata);
}
std::string namespaced(std::string_view kind, std::string_view metadata) {
  return named(kind, metadata) + "---\n{apiVersion: v1, kind: Namespace, metadata: {name: default}}\n";
}

TEST(ParseMetadata, NameIsNeeded) {
  EXPECT_EQ(mistakes("apiVersion: projectcalico.org/v3\nkind: Tier"), Strings{"1:1 missing-field"});
  EXPECT_EQ(mistakes(named("Tier", "{labels: {a: b}}")), Strings{"3:11 missing-field"});
  EXPECT_EQ(mistakes(named("Tier", "{name: ''}")), Strings{"3:18 bad-name"});
}

TEST(ParseMetadata, NumberIsNoName) {
  const Parsed parsed = parse_text(named("Tier", "{name: 123}"));
  ASSERT_EQ(mistakes(parsed), Strings{"3:18 not-text"});
  EXPECT_EQ(parsed.diagnostics[0].help, "put it in quotes: \"123\"");
}

TEST(ParseMetadata, UpperCaseNameIsCorrected) {
  const Parsed parsed = parse_text(named("Profile", "{name: My_Profile}"));
  ASSERT_EQ(mistakes(parsed), Strings{"3:18 bad-name"});
  EXPECT_EQ(parsed.diagnostics[0].help, "write my-profile");
}

TEST(ParseMetadata, GlobalPolicyNameHasAtMostOneDot) {
  EXPECT_TRUE(mistakes(named("GlobalNetworkPolicy", "{name: tier.name}")).empty());
  EXPECT_EQ(mistakes(named("GlobalNetworkPolicy", "{name: a.b.c}")), Strings{"3:18 bad-name"});
  EXPECT_EQ(mistakes(named("GlobalNetworkPolicy", "{name: knp.default.a}")), Strings{"3:18 bad-name"});
}

TEST(ParseMetadata, NetworkPolicyNameMayBeAConvertedOne) {
  EXPECT_TRUE(mistakes(namespaced("NetworkPolicy", "{name: knp.default.a.b.c}")).empty());
  EXPECT_TRUE(mistakes(namespaced("StagedNetworkPolicy", "{name: ossg.default.a}")).empty());
  EXPECT_EQ(mistakes(namespaced("NetworkPolicy", "{name: a.b.c}")), Strings{"3:18 bad-name"});
}

TEST(ParseMetadata, NameHasAtMost253Characters) {
  EXPECT_TRUE(mistakes(named("Profile", fmt::format("{{name: {}}}", std::string(253, 'x')))).empty());
  EXPECT_EQ(mistakes(named("Profile", fmt::format("{{name: {}}}", std::string(254, 'x')))),
            Strings{"3:18 name-too-long"});
}

TEST(ParseMetadata, TierNameHasNoDotAndAtMost63Characters) {
  EXPECT_EQ(mistakes(named("Tier", "{name: a.b}")), Strings{"3:18 bad-name"});
  EXPECT_EQ(mistakes(named("Tier", fmt::format("{{name: {}}}", std::string(64, 'x')))), Strings{"3:18 name-too-long"});
}

TEST(ParseMetadata, GlobalKindHasNoNamespace) {
  EXPECT_EQ(mistakes(named("GlobalNetworkPolicy", "{name: a, namespace: x}")),
            Strings{"3:32 namespace-on-global-kind"});
  EXPECT_TRUE(mistakes(named("GlobalNetworkPolicy", "{name: a, namespace: ''}")).empty());
}

TEST(ParseMetadata, MissingNamespaceIsDefault) {
  const Parsed parsed = parse_text(namespaced("NetworkPolicy", "{name: a}"));
  EXPECT_TRUE(parsed.diagnostics.empty());
  EXPECT_EQ(parsed.inventory.policies[0].id.ns, "default");
}

TEST(ParseMetadata, NamespaceIsADnsLabel) {
  EXPECT_EQ(mistakes(namespaced("NetworkPolicy", "{name: a, namespace: My}")), Strings{"3:32 bad-name"});
}

TEST(ParseMetadata, LabelsAreKubernetesLabels) {
  EXPECT_TRUE(mistakes(named("Tier", "{name: a, labels: {example.com/a_b.C-d: 'x.Y_z-0', b: ''}}")).empty());
  EXPECT_EQ(mistakes(named("Tier", "{name: a, labels: {-a: b}}")), Strings{"3:30 bad-label-key"});
  EXPECT_EQ(mistakes(named("Tier", "{name: a, labels: {a: 'b c'}}")), Strings{"3:33 bad-label-value"});
  EXPECT_EQ(mistakes(named("Tier", "{name: a, labels: {a: true}}")), Strings{"3:33 not-text"});
  EXPECT_EQ(mistakes(named("Tier", fmt::format("{{name: a, labels: {{a: {}}}}}", std::string(64, 'x')))),
            Strings{"3:33 bad-label-value"});
  EXPECT_EQ(mistakes(named("Tier", "{name: a, labels: [a]}")), Strings{"3:29 not-a-mapping"});
}

TEST(ParseMetadata, AnnotationsAreBounded) {
  EXPECT_EQ(mistakes(named("Tier", "{name: a, annotations: {'a b': c}}")), Strings{"3:35 bad-annotation-key"});
  EXPECT_EQ(mistakes(named("Tier", fmt::format("{{name: a, annotations: {{a: {}}}}}", std::string(256U << 10U, 'x')))),
            Strings{"3:34 annotations-too-large"});
}

TEST(ParseMetadata, UnknownFieldIsAMistake) {
  EXPECT_EQ(mistakes(named("Tier", "{name: a, label: {}}")), Strings{"3:21 unknown-field"});
}

}  // namespace
}  // namespace drywall::test
