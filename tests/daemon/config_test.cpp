// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace drywall {
namespace {

using std::chrono::milliseconds;

LoadedConfig load(std::string text) {
  return load_config({"/etc/drywall/drywall.yaml", std::move(text)});
}

/// The one mistake, as the user sees it in its first line.
std::string mistake(std::string text) {
  const LoadedConfig loaded = load(std::move(text));
  if (loaded.diagnostics.size() != 1) return std::to_string(loaded.diagnostics.size()) + " diagnostics";
  const std::string printed = to_string(loaded.diagnostics[0]);
  return printed.substr(0, printed.find('\n'));
}

std::string contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(Config, IsItsDefaultsWhereTheFileSaysNothing) {
  for (const std::string text : {"", "# nothing\n", "---\n"}) {
    const LoadedConfig loaded = load(text);
    EXPECT_TRUE(loaded.diagnostics.empty()) << text;
    EXPECT_EQ(loaded.config, Config{}) << text;
  }
}

TEST(Config, ReadsEveryKey) {
  const LoadedConfig loaded = load(R"(
node: web1
policy_dir: /srv/policies
watch: false
quiet: 1s
nflog_group: 7
log_enforced: deny
failsafe_inbound: ["tcp:22", "udp:10.0.0.0/8:53"]
failsafe_outbound: none
workload_prefix: [cali, tap]
endpoint_to_host: Accept
deny_action: Reject
log_level: debug
)");
  EXPECT_TRUE(loaded.diagnostics.empty());
  const Config& config = loaded.config;
  EXPECT_EQ(config.node, "web1");
  EXPECT_EQ(config.policy_dir, "/srv/policies");
  EXPECT_FALSE(config.watch);
  EXPECT_EQ(config.quiet, milliseconds(1000));
  EXPECT_EQ(config.nflog_group, 7);
  EXPECT_EQ(config.log_enforced, LogEnforced::deny);
  ASSERT_TRUE(config.failsafe_inbound);
  ASSERT_EQ(config.failsafe_inbound->size(), 2U);
  EXPECT_EQ(to_string((*config.failsafe_inbound)[1]), "udp:10.0.0.0/8:53");
  EXPECT_EQ(config.failsafe_outbound, std::vector<FailsafePort>{});
  EXPECT_EQ(config.workload_prefixes, (std::vector<std::string>{"cali", "tap"}));
  EXPECT_EQ(config.endpoint_to_host, EndpointToHost::accept);
  EXPECT_EQ(config.deny_action, DenyAction::reject);
  EXPECT_EQ(config.log_level, LogLevel::debug);
}

TEST(Config, PointsAtAnUnknownKeyAndSuggestsTheNearest) {
  EXPECT_EQ(mistake("watch: true\nquite: 1s\n"),
            "/etc/drywall/drywall.yaml:2:1: error: unknown key \"quite\" [unknown-key]");
  EXPECT_NE(load("quite: 1s\n").diagnostics[0].help.find("quiet"), std::string::npos);
}

TEST(Config, ReadsTheLabelsOfTheAutomaticEndpoint) {
  const LoadedConfig loaded = load("host_endpoint: auto\nlabels: {role: web, site: \"3\"}\n");
  EXPECT_TRUE(loaded.diagnostics.empty());
  EXPECT_TRUE(loaded.config.has_auto_endpoint);
  EXPECT_EQ(loaded.config.labels, (Labels{{"role", "web"}, {"site", "3"}}));
}

TEST(Config, HasNoAutomaticEndpointUnlessAskedTo) {
  EXPECT_FALSE(load("host_endpoint: none\n").config.has_auto_endpoint);
  EXPECT_EQ(mistake("host_endpoint: yes\n"),
            "/etc/drywall/drywall.yaml:1:16: error: \"yes\" is not auto or none [bad-value]");
  EXPECT_EQ(mistake("labels: {role: web}\n"),
            "/etc/drywall/drywall.yaml:1:1: error: \"labels\" has no host endpoint to label [labels-without-endpoint]");
  EXPECT_EQ(mistake("host_endpoint: auto\nlabels: {role: a b}\n"),
            "/etc/drywall/drywall.yaml:2:16: error: \"a b\" cannot be a label's value [bad-label-value]");
}

TEST(Config, RefusesValuesThatMeanNothing) {
  EXPECT_EQ(mistake("quiet: 5m\n"),
            "/etc/drywall/drywall.yaml:1:8: error: \"5m\" is not a duration from 0ms to 1s [bad-value]");
  EXPECT_EQ(mistake("nflog_group: 0\n"),
            "/etc/drywall/drywall.yaml:1:14: error: \"0\" is not a number from 1 to 65535 [bad-value]");
  EXPECT_EQ(mistake("log_enforced: some\n"),
            "/etc/drywall/drywall.yaml:1:15: error: \"some\" is not all, deny or none [bad-value]");
  EXPECT_EQ(mistake("failsafe_inbound: [tcp:22, tcp:ssh]\n"),
            "/etc/drywall/drywall.yaml:1:28: error: \"tcp:ssh\" is not a failsafe port [bad-failsafe]");
  EXPECT_EQ(mistake("policy_dir: policies\n"),
            "/etc/drywall/drywall.yaml:1:13: error: \"policies\" is not an absolute path [bad-value]");
  EXPECT_EQ(mistake("node:\n"), "/etc/drywall/drywall.yaml:1:1: error: \"node\" has no value [bad-value]");
  EXPECT_EQ(mistake("[node]\n"),
            "/etc/drywall/drywall.yaml:1:1: error: expected a mapping of keys to values [bad-value]");
}

TEST(Config, TellsAllMistakesAtOnce) {
  EXPECT_EQ(load("a: 1\nb: 2\nwatch: maybe\n").diagnostics.size(), 3U);
}

TEST(Config, ClashesWithAFelixConfigurationAtBothPlaces) {
  const LoadedConfig loaded = load("deny_action: drop\nworkload_prefix: cali\n");
  HostSettings settings;
  settings.deny_action = DenyAction::reject;
  settings.at = {"/etc/drywall/policy.d/felix.yaml", 3, 1};
  const Diagnostics clash = clashes(loaded.config, settings);
  ASSERT_EQ(clash.size(), 2U);
  EXPECT_EQ(to_string(clash[0].at), "/etc/drywall/drywall.yaml:1:1");
  EXPECT_EQ(clash[0].excerpt, "deny_action: drop");
  EXPECT_EQ(to_string(clash[1].at), "/etc/drywall/policy.d/felix.yaml:3:1");
  EXPECT_TRUE(has_errors(clash));
}

TEST(Config, DoesNotClashOverWhatOnlyOneOfBothSets) {
  HostSettings settings;
  settings.deny_action = DenyAction::reject;
  EXPECT_TRUE(clashes(load("workload_prefix: cali\n").config, settings).empty());
}

TEST(FailsafePort, IsReadAndWrittenInFelixForm) {
  for (const std::string text : {"tcp:22", "udp:10.0.0.0/8:53", "tcp:[2001:db8::]/32:22", "sctp:9"}) {
    const auto port = parse_failsafe_port(text);
    ASSERT_TRUE(port) << text;
    EXPECT_EQ(to_string(*port), text);
  }
  EXPECT_EQ(to_string(parse_failsafe_port("22").value()), "tcp:22");
}

TEST(Config, PrioritiesMoveEachStageWithinItsBounds) {
  EXPECT_EQ(load("priorities: {raw: -310, filter: 5}").config.priorities, (HookPriorities{-310, -152, 5}));
  for (const std::string text : {"{raw: -400}", "{raw: -202}", "{mangle: -200}", "{mangle: -102}", "{filter: -100}",
                                 "{filter: 81}", "{filter: 1.5}", "{filter: }"}) {
    EXPECT_NE(mistake("priorities: " + text).find("[bad-value]"), std::string::npos) << text;
  }
  EXPECT_NE(mistake("priorities: 5").find("[bad-value]"), std::string::npos);
  EXPECT_EQ(load("promotion: {min_observed: 30m, min_flows: 5}").config.promotion,
            (PromotionConfig{std::chrono::minutes(30), 5}));
  EXPECT_EQ(load("promotion: {min_observed: 0s}").config.promotion, (PromotionConfig{std::chrono::seconds(0), 1}));
  for (const std::string text :
       {"5", "{min_observed: 5}", "{min_observed: 367d}", "{min_observed: s}", "{min_flows: -1}"}) {
    EXPECT_NE(mistake("promotion: " + text).find("[bad-value]"), std::string::npos) << text;
  }
  EXPECT_NE(mistake("promotion: {flows: 5}").find("[unknown-key]"), std::string::npos);
  EXPECT_NE(mistake("priorities: {nat: 5}").find("[unknown-key]"), std::string::npos);
}

TEST(FailsafePort, IsNothingElse) {
  for (const std::string text : {"", "tcp", "tcp:", "tcp:0", "tcp:65536", "icmp:8", "tcp:10.0.0.1:22",
                                 "tcp:2001:db8::/32:22", "tcp:[2001:db8::/32:22", "tcp:22 ", ":22"}) {
    EXPECT_FALSE(parse_failsafe_port(text)) << text;
  }
}

TEST(ShippedConfig, LoadsAsItIsAndWithEveryKeyUncommented) {
  std::string text = contents(DRYWALL_SOURCE_DIR "/etc/drywall.yaml");
  ASSERT_FALSE(text.empty());
  EXPECT_EQ(load(text).config, Config{});
  std::string uncommented;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const bool is_key = line.size() > 1 && line[0] == '#' && line[1] != ' ';
    uncommented += (is_key ? line.substr(1) : line) + "\n";
  }
  const LoadedConfig loaded = load(uncommented);
  for (const Diagnostic& diagnostic : loaded.diagnostics) ADD_FAILURE() << to_string(diagnostic);
  EXPECT_EQ(loaded.config.places.size(), 17U);
  EXPECT_EQ(loaded.config.priorities, Config{}.priorities);
  EXPECT_EQ(loaded.config.quiet, Config{}.quiet);
  EXPECT_EQ(loaded.config.nflog_group, Config{}.nflog_group);
}

}  // namespace
}  // namespace drywall
