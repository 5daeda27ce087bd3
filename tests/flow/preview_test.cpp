// SPDX-License-Identifier: GPL-2.0-or-later
#include "flow/preview.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "policy/content.h"
#include "policy/parse.h"

namespace drywall {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

const Timestamp now{std::chrono::microseconds{1'790'000'000'000'000}};
const Timestamp staged_at = now - hours(1);

// A host whose workload shop/web (10.1.0.1) is reached through eth0 by whoever wants.
constexpr const char* host_text = R"(
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {node: host, interfaceName: cali1, ipNetworks: [10.1.0.1/32], profiles: [kns.shop]}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: edge, labels: {role: edge}}
spec: {node: host, interfaceName: eth0, profiles: [projectcalico-default-allow]}
---
)";

std::string policy(const std::string& kind, const std::string& name, const std::string& spec) {
  return "apiVersion: projectcalico.org/v3\nkind: " + kind + "\nmetadata: {name: " + name + "}\nspec: " + spec +
         "\n---\n";
}

constexpr const char* deny_80 =
    "{selector: app == 'web', types: [Ingress], ingress: [{action: Deny, protocol: TCP, destination: {ports: [80]}}, "
    "{action: Allow}]}";
constexpr const char* deny_443 =
    "{selector: app == 'web', order: 5, types: [Ingress], ingress: [{action: Deny, protocol: TCP, destination: {ports: "
    "[443]}}, {action: Pass}]}";

PolicyId staged(const std::string& name) {
  return {PolicyKind::staged_global_network_policy, "", name};
}

/// A host with these policies, and what it has seen.
class Scene {
 public:
  explicit Scene(const std::string& policies) {
    const std::vector<yaml::SourceFile> files{{"scene.yaml", host_text + policies}};
    Parsed parsed = parse(files);
    for (const Diagnostic& diagnostic : parsed.diagnostics) {
      EXPECT_NE(diagnostic.severity, Severity::error) << to_string(diagnostic);
    }
    inventory_ = std::move(parsed.inventory);
    host_.node = "host";
    host_.interfaces = {{"cali1", {*parse_address("169.254.1.1")}}, {"eth0", {*parse_address("192.0.2.1")}}};
    encounters_.begin_epoch(staged_at - hours(10));
  }

  void staging_begins() { encounters_.begin_epoch(staged_at); }

  void saw(const std::string& source, std::uint16_t port, Timestamp at, std::uint64_t times = 1,
           Bucket bucket = Bucket::normal) {
    const LegIdentity leg{{EndpointKind::workload, "shop", "web"}, bucket, Direction::ingress};
    for (std::uint64_t i = 0; i < times; ++i) {
      encounters_.add(
          {leg, "cali1", packet(source, "10.1.0.1", port), at, Verdict::allow, Verdict::allow, peer_, peer_, trace_});
    }
  }

  void lives(const std::string& source, std::uint16_t port, bool is_one_way = false) {
    LiveConnection connection;
    connection.passage.packet = packet(source, "10.1.0.1", port);
    connection.passage.in_interface = "eth0";
    connection.passage.out_interface = "cali1";
    connection.is_one_way = is_one_way;
    live_.push_back(connection);
  }

  [[nodiscard]] Preview of(std::vector<PolicyId> policies) const {
    const PreviewQuestion question{inventory_,
                                   host_,
                                   std::make_shared<const Plan>(compile(inventory_, host_, World::enforced)),
                                   std::make_shared<const Plan>(compile(inventory_, host_, World::pending)),
                                   std::move(policies),
                                   staged_at,
                                   now,
                                   now};
    return preview(question, encounters_, live_, {});
  }

  [[nodiscard]] const Inventory& inventory() const { return inventory_; }

 private:
  static Packet packet(const std::string& source, const std::string& destination, std::uint16_t port) {
    return {*parse_address(source), *parse_address(destination), protocol::tcp, 40000, port, 0, 0};
  }

  Inventory inventory_;
  Host host_;
  Encounters encounters_;
  std::vector<LiveConnection> live_;
  FlowPeer peer_;
  Trace trace_;
};

std::vector<std::uint16_t> ports(const std::vector<ChangedTraffic>& traffic) {
  std::vector<std::uint16_t> out;
  for (const ChangedTraffic& group : traffic) out.push_back(group.port);
  return out;
}

TEST(Preview, OfSomePoliciesLeavesTheRestStaged) {
  Scene scene(policy("StagedGlobalNetworkPolicy", "no-80", deny_80) +
              policy("StagedGlobalNetworkPolicy", "no-443", deny_443));
  scene.staging_begins();
  scene.saw("10.9.0.1", 80, now - seconds(9));
  scene.saw("10.9.0.1", 443, now - seconds(9), 2);
  EXPECT_EQ(ports(scene.of({staged("no-80")}).new_denies), (std::vector<std::uint16_t>{80}));
  EXPECT_EQ(ports(scene.of({staged("no-443")}).new_denies), (std::vector<std::uint16_t>{443}));
  // Together: no-443 comes first, and what it passes leaves the tier, past no-80.
  EXPECT_EQ(ports(scene.of({staged("no-80"), staged("no-443")}).new_denies), (std::vector<std::uint16_t>{443}));
}

TEST(Preview, CountsUnderThePresentContentApartFromBefore) {
  Scene scene(policy("StagedGlobalNetworkPolicy", "no-80", deny_80));
  scene.saw("10.9.0.1", 80, staged_at - seconds(5), 3);
  scene.staging_begins();
  scene.saw("10.9.0.1", 80, now - seconds(9), 2);
  const Preview preview = scene.of({staged("no-80")});
  ASSERT_EQ(preview.new_denies.size(), 1U);
  EXPECT_EQ(preview.new_denies[0].flows.count, 2U);
  EXPECT_EQ(preview.new_denies[0].earlier.count, 3U);
  EXPECT_EQ(preview.flows, 2U);
  ASSERT_TRUE(preview.new_denies[0].decider);
  EXPECT_EQ(preview.new_denies[0].decider->rule, 0);
}

TEST(Preview, OfADeletionTellsWhatTheEnforcedPolicyHadHeldBack) {
  Scene scene(policy("GlobalNetworkPolicy", "no-80", deny_80) +
              policy("StagedGlobalNetworkPolicy", "no-80", "{stagedAction: Delete}"));
  scene.staging_begins();
  scene.saw("10.9.0.1", 80, now - seconds(9));
  const Preview preview = scene.of({staged("no-80")});
  EXPECT_EQ(ports(preview.new_allows), (std::vector<std::uint16_t>{80}));
  EXPECT_TRUE(preview.new_denies.empty());
  EXPECT_EQ(preview.flows, 1U);
  EXPECT_TRUE(preview.unused_rules.empty());
}

TEST(Preview, OfASetOfTheSameIdentityReplacesTheEnforcedPolicy) {
  Scene scene(policy("GlobalNetworkPolicy", "rules", deny_80) + policy("StagedGlobalNetworkPolicy", "rules", deny_443));
  scene.staging_begins();
  scene.saw("10.9.0.1", 80, now - seconds(9));
  scene.saw("10.9.0.1", 443, now - seconds(9));
  const Preview preview = scene.of({staged("rules")});
  EXPECT_EQ(ports(preview.new_denies), (std::vector<std::uint16_t>{443}));
  EXPECT_EQ(ports(preview.new_allows), (std::vector<std::uint16_t>{80}));
}

TEST(Preview, NamesRulesThatNothingHit) {
  Scene scene(policy("StagedGlobalNetworkPolicy", "no-80", deny_80));
  scene.saw("10.9.0.1", 80, staged_at - seconds(9));  // before
  scene.staging_begins();
  scene.saw("10.9.0.1", 8080, now - seconds(9));
  const Preview preview = scene.of({staged("no-80")});
  ASSERT_EQ(preview.unused_rules.size(), 1U);
  EXPECT_EQ(preview.unused_rules[0].rule, 0);
}

TEST(Preview, OfALiveConnectionSaysWhetherItSurvives) {
  Scene scene(policy("StagedGlobalNetworkPolicy", "no-80", deny_80));
  scene.lives("192.0.2.9", 80);
  scene.lives("192.0.2.9", 80, true);
  scene.lives("192.0.2.9", 8080);
  const Preview preview = scene.of({staged("no-80")});
  ASSERT_EQ(preview.connections.size(), 2U);
  EXPECT_FALSE(preview.connections[0].survives);  // what is cut comes first
  EXPECT_TRUE(preview.connections[1].survives);
  EXPECT_EQ(preview.connections[0].would, Verdict::deny);
}

TEST(Preview, CountsWhereTheKernelSaidOtherwise) {
  Scene scene(policy("StagedGlobalNetworkPolicy", "no-80", deny_80));
  scene.staging_begins();
  scene.saw("10.9.0.1", 80, now);  // the scene's kernel says: would be allowed
  EXPECT_EQ(scene.of({staged("no-80")}).disagreements, 1U);
}

TEST(Content, IsTheSameBeforeAndAfterPromotionAndForgetsWhereItStands) {
  const auto content = [](const std::string& text) { return content_of(Scene(text).inventory().policies.at(0)); };
  const std::string before = content(policy("StagedGlobalNetworkPolicy", "p", deny_80));
  EXPECT_EQ(content("# a comment\n" + policy("GlobalNetworkPolicy", "p", deny_80)), before);
  EXPECT_NE(content(policy("GlobalNetworkPolicy", "p", deny_443)), before);
  EXPECT_NE(content(policy("GlobalNetworkPolicy", "q", deny_80)), before);
}

}  // namespace
}  // namespace drywall
