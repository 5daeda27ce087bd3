// SPDX-License-Identifier: GPL-2.0-or-later
// What the random directories are worth: they are free of mistakes, and there is nothing that can be written in a
// policy directory (docs/schema/drywall-policy.schema.json) that they never say.
#include "tests/differential/random_documents.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "policy/compile.h"
#include "policy/parse.h"
#include "tests/differential/test_network.h"

namespace drywall::test {
namespace {

using nlohmann::json;

constexpr std::uint64_t directories = 1500;

Parsed parsed(const Documents& documents) {
  const std::vector<yaml::SourceFile> files{{"random.yaml", to_yaml(documents)}};
  return parse(files);
}

TEST(RandomDocuments, AreFreeOfMistakes) {
  for (std::uint64_t seed = 0; seed < directories; ++seed) {
    const Documents documents = random_documents(seed, EarlyPolicies::allowed);
    for (const Diagnostic& diagnostic : parsed(documents).diagnostics) {
      ASSERT_EQ(diagnostic.severity, Severity::warning) << "seed " << seed << ": " << to_string(diagnostic) << "\n"
                                                        << to_yaml(documents);
    }
  }
}

TEST(RandomDocuments, AreTheSameForTheSameSeed) {
  EXPECT_EQ(random_documents(7, EarlyPolicies::allowed), random_documents(7, EarlyPolicies::allowed));
  EXPECT_NE(random_documents(7, EarlyPolicies::allowed), random_documents(8, EarlyPolicies::allowed));
}

TEST(RandomDocuments, HaveEarlyPoliciesOnlyIfAsked) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    for (const Policy& policy : parsed(random_documents(seed, EarlyPolicies::none)).inventory.policies) {
      EXPECT_FALSE(policy.untracked || policy.pre_dnat) << "seed " << seed;
    }
  }
}

TEST(RandomDocuments, PutPoliciesIntoEveryBucketOfBothWorldsAndBothDirections) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < directories; ++seed) {
    const Inventory inventory = parsed(random_documents(seed, EarlyPolicies::allowed)).inventory;
    for (const World world : {World::enforced, World::pending}) {
      const Plan plan = compile(inventory, policed_host(), world);
      for (const PlannedEndpoint& endpoint : plan.endpoints) {
        for (const PlannedLeg& leg : endpoint.legs) {
          if (leg.tiers.empty()) continue;
          std::string text(endpoint.id.kind == EndpointKind::host ? "host" : "workload");
          for (const auto part : {to_string(world), to_string(leg.bucket), to_string(leg.direction)}) {
            text.append(" ").append(part);
          }
          seen.insert(text);
        }
      }
    }
  }
  EXPECT_EQ(seen.size(), 2U * (7 + 2));  // preDNAT has no egress; workloads have only normal policy
}

/// Everything that the schema of the policy directory allows, as "Kind spec.ingress.action" for a field and
/// "Kind spec.ingress.action=Allow" for one of several words.
class Schema {
 public:
  Schema() {
    std::ifstream file(DRYWALL_SOURCE_DIR "/docs/schema/drywall-policy.schema.json");
    schema_ = json::parse(file);
  }

  std::set<std::string> facts() {
    for (const char* kind : {"GlobalNetworkPolicy", "StagedGlobalNetworkPolicy", "NetworkPolicy", "StagedNetworkPolicy",
                             "KubernetesNetworkPolicy", "StagedKubernetesNetworkPolicy", "ClusterNetworkPolicy", "Tier",
                             "HostEndpoint", "WorkloadEndpoint", "NetworkSet", "GlobalNetworkSet", "Profile",
                             "FelixConfiguration", "Namespace", "ServiceAccount", "Service", "EndpointSlice"}) {
      kind_ = kind;
      collect(schema_["definitions"][kind], "");
    }
    return std::move(facts_);
  }

 private:
  void collect(const json& part, const std::string& path) {
    if (part.contains("$ref")) {
      const std::string name = part["$ref"];
      collect(schema_["definitions"][name.substr(name.rfind('/') + 1)], path);
    }
    for (const char* several : {"allOf", "anyOf", "oneOf"}) {
      if (!part.contains(several)) continue;
      for (const json& one : part[several]) collect(one, path);
    }
    if (part.contains("items")) collect(part["items"], path);
    if (part.contains("enum") && !path.empty()) {
      for (const json& word : part["enum"]) {
        if (word.is_string() && !word.get<std::string>().empty()) {
          facts_.insert(kind_ + " " + path + "=" + word.get<std::string>());
        }
      }
    }
    if (!part.contains("properties")) return;
    for (const auto& [key, value] : part["properties"].items()) {
      if (value.is_boolean()) continue;  // refused where it stands
      const std::string inner = path.empty() ? key : path + "." + key;
      facts_.insert(kind_ + " " + inner);
      collect(value, inner);
    }
  }

  json schema_;
  std::string kind_;
  std::set<std::string> facts_;
};

void collect(std::set<std::string>& facts, const std::string& kind, const YamlValue& value, const std::string& path) {
  if (value.type == YamlValue::Type::scalar) facts.insert(kind + " " + path + "=" + value.text);
  for (std::size_t i = 0; i < value.children.size(); ++i) {
    std::string inner = path;
    if (value.type == YamlValue::Type::mapping) {
      inner += (path.empty() ? "" : ".") + value.keys[i];
      facts.insert(kind + " " + inner);
    }
    collect(facts, kind, value.children[i], inner);
  }
}

bool contains_any(const std::string& text, const std::vector<const char*>& parts) {
  return std::ranges::any_of(parts, [&](const char* part) { return text.find(part) != std::string::npos; });
}

/// What only API servers write, what is refused where it stands, and what has no meaning here whatever it holds.
bool is_left_out(const std::string& fact) {
  static const std::vector<const char*> parts{" status",
                                              " metadata.",
                                              " apiVersion=",
                                              " kind=",
                                              ".http",
                                              ".nodes",
                                              ".domainNames",
                                              "egress.source.services",
                                              "ingress.destination.services",
                                              "Profile spec.ingress.action=Pass",
                                              "Profile spec.egress.action=Pass",
                                              "Namespace spec",
                                              "ServiceAccount ",
                                              "EndpointSlice endpoints."};
  return contains_any(fact, parts);
}

TEST(RandomDocuments, SayEverythingThatCanBeSaid) {
  std::set<std::string> said;
  for (std::uint64_t seed = 0; seed < directories; ++seed) {
    for (const YamlValue& document : random_documents(seed, EarlyPolicies::allowed)) {
      std::string kind = document.find("kind")->text;
      if (document.find("apiVersion")->text == "networking.k8s.io/v1") kind = "KubernetesNetworkPolicy";
      collect(said, kind, document, "");
    }
  }
  for (const std::string& fact : Schema().facts()) {
    EXPECT_TRUE(is_left_out(fact) || said.contains(fact)) << fact;
  }
}

}  // namespace
}  // namespace drywall::test
