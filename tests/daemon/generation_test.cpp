// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/generation.h"

#include <gtest/gtest.h>

#include "daemon/document.h"

namespace drywall {
namespace {

const Machine machine{"node1", {{"eth0", {*parse_address("10.0.0.1")}}, {"lo", {}}}, {{1, "lo"}, {2, "eth0"}}};

constexpr const char* endpoint = R"(
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: here, labels: {role: web}}
spec: {node: node1, interfaceName: eth0}
)";
constexpr const char* policies = R"(
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: web}
spec:
  order: 10
  selector: role == 'web'
  types: [Ingress]
  ingress:
  - {action: Allow, protocol: TCP, destination: {ports: [80]}}
---
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: closed}
spec:
  order: 5
  selector: role == 'web'
  types: [Ingress]
  ingress:
  - {action: Deny, protocol: TCP, destination: {ports: [80]}}
)";

std::vector<yaml::SourceFile> files() {
  return {{"p/endpoint.yaml", endpoint}, {"p/web.yaml", policies}};
}

TEST(Generation, OfAnEmptyDirectoryHoldsNoTables) {
  const Built built = build({}, {}, machine);
  ASSERT_TRUE(built.generation);
  EXPECT_TRUE(built.generation->ruleset.tables.empty());
  EXPECT_EQ(count_rules(built.generation->ruleset), 0U);
}

TEST(Generation, HoldsBothWorlds) {
  const Built built = build(files(), {}, machine);
  for (const Diagnostic& diagnostic : built.diagnostics) ADD_FAILURE() << to_string(diagnostic);
  ASSERT_TRUE(built.generation);
  EXPECT_EQ(built.generation->enforced->world, World::enforced);
  EXPECT_EQ(built.generation->pending->world, World::pending);
  EXPECT_EQ(built.generation->host.node, "node1");
  EXPECT_FALSE(built.generation->ruleset.tables.empty());
  EXPECT_EQ(built.generation->rendering.size(), 64U);
}

TEST(Generation, HasTheSameRenderingForTheSameFiles) {
  EXPECT_EQ(build(files(), {}, machine).generation->rendering, build(files(), {}, machine).generation->rendering);
  Config other;
  other.nflog_group = 5;
  EXPECT_NE(build(files(), {}, machine).generation->rendering, build(files(), other, machine).generation->rendering);
}

TEST(Generation, IsNoneIfThereIsAnError) {
  std::vector<yaml::SourceFile> broken = files();
  broken.push_back({"p/x.yaml", "kind: Nonsense\n"});
  const Built built = build(broken, {}, machine);
  EXPECT_FALSE(built.generation);
  EXPECT_TRUE(has_errors(built.diagnostics));
}

TEST(Generation, IsNoneIfConfigurationAndFelixConfigurationClash) {
  const Config config = load_config({"drywall.yaml", "failsafe_inbound: none\n"}).config;
  std::vector<yaml::SourceFile> clashing = files();
  clashing.push_back({"p/felix.yaml",
                      "apiVersion: projectcalico.org/v3\nkind: FelixConfiguration\nmetadata: {name: default}\n"
                      "spec:\n  failsafeInboundHostPorts: []\n"});
  const Built built = build(clashing, config, machine);
  EXPECT_FALSE(built.generation);
  ASSERT_EQ(built.diagnostics.size(), 2U);
  EXPECT_EQ(built.diagnostics[0].code, "setting-clash");
  EXPECT_EQ(built.diagnostics[0].at.file, "drywall.yaml");
  EXPECT_EQ(built.diagnostics[1].at.file, "p/felix.yaml");
  EXPECT_FALSE(built.diagnostics[1].excerpt.empty());
}

TEST(Generation, HasTheAutomaticHostEndpointWithTheLabelsOfBothSources) {
  Machine here = machine;
  here.os = {{"os/id", "debian"}, {"role", "overridden"}};
  const Config config = load_config({"drywall.yaml", "host_endpoint: auto\nlabels: {role: web}\n"}).config;
  const Built built = build(std::vector<yaml::SourceFile>{}, config, here);
  ASSERT_TRUE(built.generation);
  ASSERT_EQ(built.generation->inventory.host_endpoints.size(), 1U);
  const HostEndpoint& endpoint = built.generation->inventory.host_endpoints[0];
  EXPECT_EQ(endpoint.name, machine.host_name + "-auto");
  EXPECT_EQ(endpoint.interface_name, "*");
  EXPECT_EQ(endpoint.labels, (Labels{{"os/id", "debian"}, {"role", "web"}}));
}

TEST(Generation, IsNoneIfTheAutomaticHostEndpointIsWrittenToo) {
  const Config config = load_config({"drywall.yaml", "host_endpoint: auto\n"}).config;
  const std::vector<yaml::SourceFile> clashing{
      {"p/h.yaml",
       "apiVersion: projectcalico.org/v3\nkind: HostEndpoint\nmetadata: {name: all}\n"
       "spec: {node: " +
           machine.host_name + ", interfaceName: \"*\"}\n"}};
  const Built built = build(clashing, config, machine);
  EXPECT_FALSE(built.generation);
  ASSERT_EQ(built.diagnostics.size(), 1U);
  EXPECT_EQ(built.diagnostics[0].code, "host-endpoint-clash");
  EXPECT_EQ(built.diagnostics[0].at.file, "p/h.yaml");
}

TEST(GenerationComment, IsReadAsItWasWritten) {
  const GenerationComment comment{12, std::string(64, 'f')};
  EXPECT_EQ(parse_generation_comment(to_string(comment)), comment);
}

TEST(GenerationComment, IsNothingElse) {
  const std::string hash(64, '0');
  for (const std::string& text :
       std::vector<std::string>{std::string(), "generation 12", "generation  " + hash, "generation x " + hash,
                                "generation 1 " + hash + "0", "generation 1 " + std::string(64, 'G'),
                                "Generation 1 " + hash, "generation 99999999999999999999999 " + hash}) {
    EXPECT_FALSE(parse_generation_comment(text)) << text;
  }
}

TEST(PoliciesDocument, ListsPoliciesInOrderOfEvaluationWithTheirCounts) {
  const Built built = build(files(), {}, machine);
  ASSERT_TRUE(built.generation);
  const PolicyId closed{PolicyKind::staged_global_network_policy, "", "closed"};
  const RuleCounts counts{
      {{World::pending, LegPoint::host, Direction::ingress, Action::deny, rule_id(closed, Direction::ingress, 0)},
       {3, 180}}};
  const Json document = policies_document(*built.generation, counts, {});
  ASSERT_EQ(document.size(), 2U);
  EXPECT_EQ(document[0]["name"], "closed");
  EXPECT_EQ(document[0]["staged"], true);
  EXPECT_EQ(document[0]["staged_action"], "Set");
  EXPECT_EQ(document[0]["endpoints"], 1);
  EXPECT_EQ(document[0]["rules"][0]["packets"], 3);
  EXPECT_EQ(document[0]["rules"][0]["bytes"], 180);
  EXPECT_EQ(document[0]["rules"][0]["last_hit"], nullptr);
  EXPECT_EQ(document[0]["rules"][0]["line"], 20);
  EXPECT_EQ(document[1]["name"], "web");
  EXPECT_EQ(document[1]["staged_action"], nullptr);
  EXPECT_EQ(document[1]["rules"][0]["packets"], 0);
}

TEST(PoliciesDocument, CountsPendingVerdictsAndLastHitsFromRecords) {
  const Built built = build(files(), {}, machine);
  ASSERT_TRUE(built.generation);
  FlowRecord record;
  record.end = Timestamp(std::chrono::seconds(1'700'000'000));
  record.pending_action = Verdict::deny;
  record.enforced = {{"default", PolicyKind::global_network_policy, "", "web", 0, Action::allow, {}}};
  record.pending = {{"default", PolicyKind::staged_global_network_policy, "", "closed", 0, Action::deny, {}}};
  const Json document = policies_document(*built.generation, {}, {record});
  EXPECT_EQ(document[0]["pending"]["would_deny"], 1);
  EXPECT_EQ(document[0]["pending"]["would_allow"], 0);
  EXPECT_EQ(document[0]["rules"][0]["last_hit"], "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(document[1]["rules"][0]["last_hit"], "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(document[1]["pending"]["would_deny"], 0);
}

TEST(StatusDocument, NamesInterfacesThatNothingGoverns) {
  const Built built = build(files(), {}, machine);
  ASSERT_TRUE(built.generation);
  Status status;
  status.in_force = built.generation.get();
  status.interfaces = {{"eth0", {}}, {"eth1", {}}, {"lo", {}}};
  const Json document = status_document(status);
  EXPECT_EQ(document["unpoliced_interfaces"], Json({"eth1"}));
  EXPECT_EQ(document["endpoints"][0]["name"], "here");
  EXPECT_EQ(document["policies"]["enforced"], 1);
  EXPECT_EQ(document["policies"]["staged"], 1);
  EXPECT_EQ(document["failsafe"]["inbound"][0], "tcp:22");
  EXPECT_EQ(document["confirm"], nullptr);
}

}  // namespace
}  // namespace drywall
