// SPDX-License-Identifier: GPL-2.0-or-later
// Promotion and demotion change what they mean in the text of a policy file, and no other byte.
#include "policy/edit.h"

#include <gtest/gtest.h>

#include "policy/parse.h"

namespace drywall {
namespace {

using Files = std::vector<yaml::SourceFile>;
using enum PolicyKind;

const PolicyId staged_web{staged_global_network_policy, "", "web"};
const PolicyId enforced_web{global_network_policy, "", "web"};

std::string policy(const std::string& kind, const std::string& name, const std::string& spec) {
  return "apiVersion: projectcalico.org/v3\nkind: " + kind + "\nmetadata:\n  name: " + name + "\nspec:\n" + spec;
}

/// The text of the one file after the edit; "REFUSED: ..." if there is none.
std::string text_after(const Edited& edited) {
  if (!edited.refusals.empty()) return "REFUSED: " + to_string(edited.refusals[0]);
  if (edited.edits.size() != 1) return "files edited: " + std::to_string(edited.edits.size());
  return edited.edits[0].after.value_or("REMOVED");
}

std::string promoted(const std::string& text, const PolicyId& id = staged_web) {
  const Files files{{"a.yaml", text}};
  return text_after(promote(files, std::vector{id}));
}

TEST(Edit, PromotionChangesTheKindAndDropsTheStagedActionAndNoOtherByte) {
  EXPECT_EQ(promoted("# Why: see the wiki.\n"
                     "apiVersion:   projectcalico.org/v3   # Calico's\n"
                     "kind: StagedGlobalNetworkPolicy # staged for now\n"
                     "metadata: {name: web}\n"
                     "spec:\n"
                     "    # the default\n"
                     "    stagedAction: Set   # goes\n"
                     "    selector:  app == \"web\"\n"
                     "    types: [ Ingress ]"),
            "# Why: see the wiki.\n"
            "apiVersion:   projectcalico.org/v3   # Calico's\n"
            "kind: GlobalNetworkPolicy # staged for now\n"
            "metadata: {name: web}\n"
            "spec:\n"
            "    # the default\n"
            "    selector:  app == \"web\"\n"
            "    types: [ Ingress ]");
}

TEST(Edit, LineEndingsAndByteOrderMarkStay) {
  EXPECT_EQ(promoted("\xEF\xBB\xBFkind: \"StagedGlobalNetworkPolicy\"\r\napiVersion: 'projectcalico.org/v3'\r\n"
                     "metadata:\r\n  name: web\r\nspec:\r\n  stagedAction: 'Set'\r\n  order: 1.50\r\n"),
            "\xEF\xBB\xBFkind: \"GlobalNetworkPolicy\"\r\napiVersion: 'projectcalico.org/v3'\r\n"
            "metadata:\r\n  name: web\r\nspec:\r\n  order: 1.50\r\n");
}

TEST(Edit, FlowStyleLosesTheEntryAndItsComma) {
  const std::string head = "{apiVersion: projectcalico.org/v3, metadata: {name: web}, ";
  EXPECT_EQ(promoted(head + "kind: StagedGlobalNetworkPolicy, spec: {stagedAction: Set, order: 1}}\n"),
            head + "kind: GlobalNetworkPolicy, spec: {order: 1}}\n");
  EXPECT_EQ(promoted(head + "kind: StagedGlobalNetworkPolicy, spec: {order: 1, stagedAction: \"Set\" }}\n"),
            head + "kind: GlobalNetworkPolicy, spec: {order: 1 }}\n");
  EXPECT_EQ(promoted(head + "kind: StagedGlobalNetworkPolicy, spec: {stagedAction: Set}}\n"),
            head + "kind: GlobalNetworkPolicy, spec: {}}\n");
}

TEST(Edit, JsonStaysJson) {
  EXPECT_EQ(promoted("{\n  \"apiVersion\": \"projectcalico.org/v3\",\n  \"kind\": \"StagedGlobalNetworkPolicy\",\n"
                     "  \"metadata\": {\"name\": \"web\"},\n  \"spec\": {\n    \"stagedAction\": \"Set\",\n"
                     "    \"order\": 1\n  }\n}\n"),
            "{\n  \"apiVersion\": \"projectcalico.org/v3\",\n  \"kind\": \"GlobalNetworkPolicy\",\n"
            "  \"metadata\": {\"name\": \"web\"},\n  \"spec\": {\n    \"order\": 1\n  }\n}\n");
  EXPECT_EQ(promoted("{\n  \"apiVersion\": \"projectcalico.org/v3\",\n  \"kind\": \"StagedGlobalNetworkPolicy\",\n"
                     "  \"metadata\": {\"name\": \"web\"},\n  \"spec\": {\n    \"order\": 1,\n"
                     "    \"stagedAction\": \"Set\"\n  }\n}\n"),
            "{\n  \"apiVersion\": \"projectcalico.org/v3\",\n  \"kind\": \"GlobalNetworkPolicy\",\n"
            "  \"metadata\": {\"name\": \"web\"},\n  \"spec\": {\n    \"order\": 1\n  }\n}\n");
}

TEST(Edit, APolicyThatIsOnlyAnActionKeepsItsMeaning) {
  EXPECT_EQ(promoted(policy("StagedGlobalNetworkPolicy", "web", "  stagedAction: Set\n")),
            policy("GlobalNetworkPolicy", "web", ""));
}

TEST(Edit, OneDocumentOfSeveralIsEdited) {
  const std::string other = policy("StagedGlobalNetworkPolicy", "db", "  stagedAction: Set\n");
  const std::string tail = "\n# the end\n...\n";
  EXPECT_EQ(
      promoted("---\n" + other + "--- # web\n" + policy("StagedGlobalNetworkPolicy", "web", "  order: 1\n") +
               "---\n---\n" + tail),
      "---\n" + other + "--- # web\n" + policy("GlobalNetworkPolicy", "web", "  order: 1\n") + "---\n---\n" + tail);
}

TEST(Edit, ItemsOfListsAreEdited) {
  const std::string head = "apiVersion: v1\nkind: List\nitems:\n";
  const std::string db = "- apiVersion: projectcalico.org/v3\n  kind: GlobalNetworkPolicy\n  metadata: {name: db}\n";
  const std::string begin = "- apiVersion: projectcalico.org/v3\n  kind: ";
  const std::string end = "  metadata: {name: web}\n  spec:\n    order: 1\n";
  EXPECT_EQ(promoted(head + db + begin + "StagedGlobalNetworkPolicy\n" + end),
            head + db + begin + "GlobalNetworkPolicy\n" + end);
}

TEST(Edit, TheEnforcedPolicyThatIsReplacedIsRemovedFromWhereItLies) {
  const std::string fresh = policy("StagedGlobalNetworkPolicy", "web", "  order: 1\n");
  const std::string old = policy("GlobalNetworkPolicy", "web", "  order: 2\n");
  const std::string db = policy("GlobalNetworkPolicy", "db", "  order: 3\n");
  const std::string now = policy("GlobalNetworkPolicy", "web", "  order: 1\n");
  EXPECT_EQ(promoted(old + "---\n" + fresh), "---\n" + now);
  EXPECT_EQ(promoted(fresh + "---\n" + old), now);
  EXPECT_EQ(promoted("# Of the web team.\n\n" + old + "---\n" + db + "---\n" + fresh),
            "# Of the web team.\n\n---\n" + db + "---\n" + now);
  EXPECT_EQ(promoted(db + "---\n# replaced\n" + old + "# so it goes\n---\n" + fresh), db + "---\n" + now);
  const Files files{{"a.yaml", fresh}, {"b.yaml", "# only this\n" + old}, {"c.yaml", db}};
  const Edited edited = promote(files, std::vector{staged_web});
  EXPECT_EQ(edited.edits, (std::vector<FileEdit>{{"a.yaml", fresh, now}, {"b.yaml", "# only this\n" + old, {}}}));
}

TEST(Edit, AnItemThatIsReplacedLeavesTheOtherItems) {
  const std::string fresh = "---\n" + policy("StagedGlobalNetworkPolicy", "web", "  order: 1\n");
  const std::string now = "---\n" + policy("GlobalNetworkPolicy", "web", "  order: 1\n");
  const auto item = [](const std::string& name) {
    return "  - apiVersion: projectcalico.org/v3\n    kind: GlobalNetworkPolicy\n    metadata:\n      name: " + name +
           "\n\n    # a comment\n    spec: {order: 7}\n";
  };
  const std::string head = "apiVersion: v1\nkind: List\nitems:\n";
  EXPECT_EQ(promoted(head + item("a") + item("web") + item("b") + fresh), head + item("a") + item("b") + now);
  EXPECT_EQ(promoted(head + item("a") + item("web") + fresh), head + item("a") + now);
  EXPECT_EQ(promoted(head + item("web") + fresh), now);
  const auto json = [](const std::string& name) {
    return R"({"apiVersion": "projectcalico.org/v3", "kind": "GlobalNetworkPolicy", "metadata": {"name": ")" + name +
           "\"}}";
  };
  const std::string list = R"({"apiVersion": "v1", "kind": "List", "items": [)";
  EXPECT_EQ(promoted(list + json("a") + ", " + json("web") + ", " + json("b") + "]}\n" + fresh),
            list + json("a") + ", " + json("b") + "]}\n" + now);
  EXPECT_EQ(promoted(list + json("a") + ", " + json("web") + "]}\n" + fresh), list + json("a") + "]}\n" + now);
}

TEST(Edit, DeleteRemovesBoth) {
  const std::string announced = policy("StagedGlobalNetworkPolicy", "web", "  stagedAction: Delete\n");
  const std::string old = policy("GlobalNetworkPolicy", "web", "  order: 2\n");
  const std::string db = policy("GlobalNetworkPolicy", "db", "  order: 3\n");
  EXPECT_EQ(promoted(old + "---\n" + db + "---\n" + announced), "---\n" + db);
  EXPECT_EQ(promoted(old + "---\n" + announced), "REMOVED");
  EXPECT_EQ(promoted(announced), "REMOVED");
}

TEST(Edit, AKubernetesPolicyChangesItsApiToo) {
  EXPECT_EQ(
      promoted("apiVersion: projectcalico.org/v3\nkind: StagedKubernetesNetworkPolicy\nmetadata:\n  name: web\n"
               "spec:\n  stagedAction: Set\n  podSelector: {}\n",
               {staged_kubernetes_network_policy, "default", "web"}),
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: web\nspec:\n  podSelector: {}\n");
}

TEST(Edit, AKubernetesPolicyReplacesNoCalicoPolicyOfItsName) {
  const std::string calico = policy("NetworkPolicy", "web", "  order: 2\n");
  EXPECT_EQ(promoted(calico + "---\napiVersion: projectcalico.org/v3\nkind: StagedKubernetesNetworkPolicy\n"
                              "metadata: {name: web}\nspec:\n  podSelector: {}\n",
                     {staged_kubernetes_network_policy, "default", "web"}),
            calico +
                "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
                "metadata: {name: web}\nspec:\n  podSelector: {}\n");
}

TEST(Edit, LearnAndIgnoreAreRefusedWithTheReason) {
  EXPECT_EQ(promoted(policy("StagedGlobalNetworkPolicy", "web", "  stagedAction: Learn\n")),
            "REFUSED: a.yaml:2:7: error: StagedGlobalNetworkPolicy web is learning: it is not meant to be enforced "
            "[learning]\n    2 | kind: StagedGlobalNetworkPolicy\n      |       ^\n"
            "help: write \"stagedAction: Set\" when it has learned enough\n");
  EXPECT_NE(promoted(policy("StagedGlobalNetworkPolicy", "web", "  stagedAction: Ignore\n")).find("[ignored]"),
            std::string::npos);
}

TEST(Edit, OneRefusalRefusesAll) {
  const Files files{{"a.yaml", policy("StagedGlobalNetworkPolicy", "web", "  order: 1\n")}};
  const Edited edited = promote(files, std::vector<PolicyId>{staged_web, enforced_web});
  EXPECT_TRUE(edited.edits.empty());
  EXPECT_EQ(edited.refusals.size(), 1U);
}

TEST(Edit, WhatCannotBeEditedSafelyIsRefusedWithItsPlace) {
  const std::string rest = "\nmetadata: {name: web}\n";
  const std::string api = "apiVersion: projectcalico.org/v3\n";
  const auto expect_refused = [](const std::string& text) {
    EXPECT_NE(promoted(text).find("[cannot-edit]"), std::string::npos) << text << promoted(text);
  };
  expect_refused(api + "kind: \"Staged\\x47lobalNetworkPolicy\"" + rest);  // an escape
  expect_refused(api + "kind: >-\n  StagedGlobalNetworkPolicy" + rest);    // a folded scalar
  expect_refused(api + "kind: &k StagedGlobalNetworkPolicy\nmetadata: {name: web, annotations: {k: *k}}\n");
  expect_refused(api + "kind: StagedGlobalNetworkPolicy" + rest +
                 "spec:\n  stagedAction: &s Set\n  selector: has(a)\nstatus: *s\n");
}

TEST(Edit, AnchorsElsewhereDoNoHarm) {
  const std::string spec = "  stagedAction: Set\n  ingress: &rules\n  - action: Allow\n  egress: *rules\n";
  EXPECT_EQ(promoted(policy("StagedGlobalNetworkPolicy", "web", spec)),
            policy("GlobalNetworkPolicy", "web", spec.substr(spec.find('\n') + 1)));
}

TEST(Edit, DemotionIsTheWayBack) {
  const std::string enforced = policy("GlobalNetworkPolicy", "web", "  order: 1\n");
  const std::string staged = policy("StagedGlobalNetworkPolicy", "web", "  order: 1\n");
  EXPECT_EQ(text_after(demote(Files{{"a.yaml", enforced}}, std::vector{enforced_web})), staged);
  const std::string kubernetes =
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web}\n"
      "spec:\n  podSelector: {}\n";
  EXPECT_EQ(text_after(demote(Files{{"a.yaml", kubernetes}},
                              std::vector<PolicyId>{{kubernetes_network_policy, "default", "web"}})),
            "apiVersion: projectcalico.org/v3\nkind: StagedKubernetesNetworkPolicy\nmetadata: {name: web}\n"
            "spec:\n  podSelector: {}\n");
}

TEST(Edit, DemotionBesideAStagedPolicyOfTheNameIsRefused) {
  const Files files{{"a.yaml", policy("GlobalNetworkPolicy", "web", "  order: 1\n") + "---\n" +
                                   policy("StagedGlobalNetworkPolicy", "web", "  order: 2\n")}};
  EXPECT_NE(text_after(demote(files, std::vector{enforced_web})).find("a.yaml:9:7: error"), std::string::npos);
}

}  // namespace
}  // namespace drywall
