// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/doctor.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "policy/compile.h"
#include "policy/parse.h"

namespace drywall {
namespace {

const std::vector<OwnPlace> own{{"input", -24, -13}, {"forward", -28, -15}};

/// A machine with nothing on it but one interface.
Surroundings healthy() {
  Surroundings seen{std::vector<BaseChain>{}, {}, {}, {}, {true, std::nullopt}, {}, {}, {}, {}};
  seen.links = {{1, {"lo", {}, {}}, "", ""}, {2, {"eth0", {}, {}}, "", ""}};
  return seen;
}

BaseChain chain(std::string table, std::string hook, std::int32_t priority) {
  return {{"inet", std::move(table), Backend::nf_tables},
          "base",
          {"filter", std::move(hook), priority, false},
          false,
          {"base"},
          {}};
}

const Finding* find(const Findings& findings, std::string_view code) {
  const auto found = std::ranges::find(findings, code, &Finding::code);
  return found == findings.end() ? nullptr : &*found;
}

Findings diagnose(const Surroundings& seen, const PolicyView& policies = {}) {
  return drywall::diagnose(seen, own, policies);
}

/// What a directory of one file means for a host named `host`.
struct Directory {
  Plan enforced;
  Plan pending;
};
Directory directory(const std::string& text) {
  const std::vector<yaml::SourceFile> files{{"policy.yaml", text}};
  const Parsed parsed = parse(files);
  EXPECT_TRUE(parsed.diagnostics.empty()) << to_string(parsed.diagnostics.front());
  Host host;
  host.node = "host";
  return {compile(parsed.inventory, host, World::enforced), compile(parsed.inventory, host, World::pending)};
}

TEST(Doctor, FindsNothingOnAHealthyMachine) {
  EXPECT_TRUE(diagnose(healthy()).empty());
}

TEST(Doctor, WarnsOfRulesAfterOursThatDrop) {
  Surroundings seen = healthy();
  BaseChain theirs = chain("theirs", "input", 0);
  theirs.drops = true;
  seen.chains = std::vector{theirs};
  const Findings findings = diagnose(seen);
  const Finding* const found = find(findings, "drops-after");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->weight, Finding::Weight::warning);
  EXPECT_EQ(found->message, "inet theirs comes after Drywall and can drop what a policy allows, at input by rules");
}

TEST(Doctor, WarnsOfADropPolicyAfterOurs) {
  Surroundings seen = healthy();
  BaseChain theirs = chain("theirs", "forward", 0);
  theirs.hook.drops = true;
  seen.chains = std::vector{theirs};
  const Findings findings = diagnose(seen);
  ASSERT_NE(find(findings, "drops-after"), nullptr);
  EXPECT_TRUE(find(findings, "drops-after")->message.ends_with("at forward by policy"));
}

TEST(Doctor, OnlyNotesRulesBeforeOursThatDrop) {
  Surroundings seen = healthy();
  BaseChain theirs = chain("theirs", "input", -100);
  theirs.drops = true;
  seen.chains = std::vector{theirs};
  const Findings findings = diagnose(seen);
  ASSERT_NE(find(findings, "drops-before"), nullptr);
  EXPECT_EQ(find(findings, "drops-before")->weight, Finding::Weight::note);
  EXPECT_EQ(find(findings, "drops-after"), nullptr);
}

TEST(Doctor, SaysNothingOfChainsThatOnlyLook) {
  Surroundings seen = healthy();
  seen.chains = std::vector{chain("theirs", "input", 0), chain("theirs", "input", -400)};
  EXPECT_TRUE(diagnose(seen).empty());
}

TEST(Doctor, SaysNothingOfHooksThatAreNotOurs) {
  Surroundings seen = healthy();
  BaseChain theirs = chain("theirs", "output", 0);
  theirs.drops = true;
  seen.chains = std::vector{theirs};
  EXPECT_TRUE(diagnose(seen).empty());
}

TEST(Doctor, NamesWhomATableBelongsTo) {
  Surroundings seen = healthy();
  BaseChain ufw = chain("filter", "input", 0);
  ufw.table.family = "ip";
  ufw.drops = true;
  ufw.chains.insert("ufw-before-input");
  seen.chains = std::vector{ufw};
  const Findings findings = diagnose(seen);
  ASSERT_NE(find(findings, "drops-after"), nullptr);
  EXPECT_TRUE(find(findings, "drops-after")->message.starts_with("ip filter (ufw) comes after"));
  EXPECT_TRUE(find(findings, "drops-after")->help.starts_with("ufw: "));
  ASSERT_NE(find(findings, "found-ufw"), nullptr);
}

TEST(Doctor, KnowsDockersOwnBridgesByTheirNames) {
  Surroundings seen = healthy();
  seen.links.push_back({3, {"br-0123456789ab", {}, {}}, "bridge", ""});
  seen.links.push_back({4, {"br-lan", {}, {}}, "bridge", ""});
  const Findings findings = diagnose(seen);
  ASSERT_NE(find(findings, "found-docker"), nullptr);
  EXPECT_EQ(find(findings, "found-docker")->message, "Docker is on this host; its interfaces: br-0123456789ab");
}

TEST(Doctor, ErrsOnATakenNflogGroupAndSaysByWhom) {
  Surroundings seen = healthy();
  seen.nflog.holder = GroupHolder{77, 1234, "ulogd"};
  const Findings findings = diagnose(seen);
  ASSERT_NE(find(findings, "nflog-taken"), nullptr);
  EXPECT_EQ(findings.front().weight, Finding::Weight::error);
  EXPECT_NE(findings.front().message.find("ulogd (process 1234)"), std::string::npos);
  EXPECT_NE(findings.front().help.find("nflog_group"), std::string::npos);
  seen.nflog.holder = GroupHolder{77, 1234, "drywalld"};
  EXPECT_EQ(find(diagnose(seen), "nflog-taken"), nullptr);
}

TEST(Doctor, ErrsOnAKernelWithoutNflog) {
  Surroundings seen = healthy();
  seen.nflog.in_kernel = false;
  EXPECT_NE(find(diagnose(seen), "nflog-missing"), nullptr);
}

TEST(Doctor, TellsHowFullTheConnectionTableIs) {
  Surroundings seen = healthy();
  seen.conntrack = ConntrackTable{10, 100};
  EXPECT_TRUE(diagnose(seen).empty()) << "it is not Drywall's doing";
  BaseChain ours = chain("drywall", "input", -13);
  ours.table.family = "ip";
  seen.chains = std::vector{ours};
  EXPECT_EQ(find(diagnose(seen), "conntrack-on")->weight, Finding::Weight::note);
  seen.conntrack = ConntrackTable{75, 100};
  EXPECT_EQ(find(diagnose(seen), "conntrack-full")->weight, Finding::Weight::warning);
  seen.conntrack = ConntrackTable{95, 100};
  EXPECT_EQ(find(diagnose(seen), "conntrack-full")->weight, Finding::Weight::error);
}

TEST(Doctor, WarnsIfConnectionsAreNotPickedUp) {
  Surroundings seen = healthy();
  seen.picks_up_connections = true;
  EXPECT_TRUE(diagnose(seen).empty());
  seen.picks_up_connections = false;
  EXPECT_NE(find(diagnose(seen), "conntrack-strict"), nullptr);
}

TEST(Doctor, WarnsOfAFlushAtBootUnlessDrywallComesLater) {
  Surroundings seen = healthy();
  seen.boot_units = {{"nftables.service", {"/etc/nftables.conf:3"}, false}};
  EXPECT_EQ(find(diagnose(seen), "flush-at-boot")->weight, Finding::Weight::warning);
  seen.boot_units[0].before_drywall = true;
  EXPECT_EQ(find(diagnose(seen), "flush-at-boot")->weight, Finding::Weight::note);
}

TEST(Doctor, WarnsOfWhatInterfacesHide) {
  Surroundings seen = healthy();
  seen.links.push_back({3, {"red", {}, {}}, "vrf", ""});
  seen.links.push_back({4, {"eth1", {}, {}}, "", "red"});
  seen.links.push_back({5, {"guest", {}, {}}, "macvlan", ""});
  seen.ipsec_policies = 2;
  const Findings findings = diagnose(seen);
  ASSERT_NE(find(findings, "vrf"), nullptr);
  EXPECT_NE(find(findings, "vrf")->message.find("eth1 (of red)"), std::string::npos);
  EXPECT_NE(find(findings, "macvlan"), nullptr);
  EXPECT_NE(find(findings, "ipsec-without-interface"), nullptr);
}

TEST(Doctor, NotesPacketsOfBridgesOnlyWhereThereIsABridge) {
  Surroundings seen = healthy();
  seen.bridges_show_packets = true;
  EXPECT_TRUE(diagnose(seen).empty());
  seen.links.push_back({3, {"br-lan", {}, {}}, "bridge", ""});
  EXPECT_NE(find(diagnose(seen), "bridge-netfilter"), nullptr);
}

TEST(Doctor, TakesOurRealPlacesFromTheKernel) {
  BaseChain ours = chain("drywall", "input", 40);
  ours.table.family = "ip";
  const std::vector<OwnPlace> places = own_places(own, {ours, chain("theirs", "input", 99)});
  EXPECT_EQ(places[0], (OwnPlace{"input", 40, 40}));
  EXPECT_EQ(places[1], own[1]);
  EXPECT_EQ(order_of({"filter", "input", 0, false}, places), Order::before);
  EXPECT_EQ(order_of({"filter", "input", 40, false}, places), Order::between);
  EXPECT_EQ(order_of({"filter", "input", 41, false}, places), Order::after);
  EXPECT_EQ(order_of({"filter", "ingress", 41, false}, places), Order::before);
}

// --- published ports

/// Docker's port 8080, which leads to 172.17.0.2:80 behind docker0.
Surroundings with_published_port() {
  Surroundings seen = healthy();
  BaseChain nat = chain("nat", "prerouting", -100);
  nat.chains.insert("DOCKER");
  nat.translations = {{*parse_address("172.17.0.2"), 80, protocol::tcp, 8080}};
  seen.chains = std::vector{nat};
  seen.links.push_back({3, {"docker0", {*parse_address("172.17.0.1")}, {}}, "bridge", ""});
  seen.networks = {{"docker0", *parse_prefix("172.17.0.0/16")}};
  return seen;
}

const std::string host_endpoint = R"(
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: host, labels: {role: host}}
spec: {node: host, interfaceName: eth0}
)";
std::string policy(const std::string& kind, const std::string& fields) {
  return host_endpoint + "---\napiVersion: projectcalico.org/v3\nkind: " + kind +
         "\nmetadata: {name: p}\nspec: {selector: role == 'host', types: [Ingress], ingress: [{action: Deny}]" +
         fields + "}\n";
}

std::string published(const std::string& text) {
  const Directory read = directory(text);
  const Findings findings = diagnose(with_published_port(), {&read.enforced, &read.pending, {}});
  const Finding* const found = find(findings, "published-port");
  return found == nullptr ? "" : found->message;
}

TEST(PublishedPort, IsOpenWithoutAPolicy) {
  EXPECT_EQ(published(""),
            "tcp port 8080 to 172.17.0.2:80 is published by inet nat (Docker), and no policy covers it on eth0");
}

TEST(PublishedPort, IsNotCoveredByPolicyOfWhatTheHostItselfTakes) {
  EXPECT_NE(published(policy("GlobalNetworkPolicy", "")), "");
}

TEST(PublishedPort, IsCoveredByForwardPolicy) {
  EXPECT_EQ(published(policy("GlobalNetworkPolicy", ", applyOnForward: true")), "");
}

TEST(PublishedPort, IsCoveredByPolicyBeforeDnat) {
  EXPECT_EQ(published(policy("GlobalNetworkPolicy", ", applyOnForward: true, preDNAT: true")), "");
}

TEST(PublishedPort, IsOnlyToBeCoveredByAStagedPolicy) {
  EXPECT_NE(published(policy("StagedGlobalNetworkPolicy", ", applyOnForward: true")).find("only a staged policy"),
            std::string::npos);
}

TEST(PublishedPort, IsCoveredByAPolicyOfItsWorkload) {
  EXPECT_EQ(published(R"(
apiVersion: v1
kind: Namespace
metadata: {name: prod}
---
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: web, namespace: prod, labels: {app: web}}
spec: {node: host, interfaceName: veth1, ipNetworks: [172.17.0.2/32]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: p}
spec: {selector: app == 'web', types: [Ingress], ingress: [{action: Allow}]}
)"),
            "");
}

TEST(PublishedPort, OfTheHostItselfIsLeftOut) {
  Surroundings seen = with_published_port();
  seen.links[1].interface.addresses = {*parse_address("172.17.0.2")};
  const Directory read = directory("");
  EXPECT_EQ(find(diagnose(seen, {&read.enforced, &read.pending, {}}), "published-port"), nullptr);
}

}  // namespace
}  // namespace drywall
