// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "tests/policy/parse_text.h"

namespace drywall::test {
namespace {

Strings in_rule(std::string_view rule) {
  return mistakes(with_rule(rule));
}
std::string egress(std::string_view rule) {
  return global_policy(fmt::format("{{egress: [{}]}}", rule));
}
Prefix prefix(std::string_view text) {
  return parse_prefix(text).value();
}

TEST(ParseRule, StandsWhereItsMappingBegins) {
  const Parsed parsed = parse_text(global_policy("\n  ingress:\n  - action: Allow\n  -   action: Deny\n"));
  ASSERT_TRUE(parsed.diagnostics.empty());
  const Policy& policy = parsed.inventory.policies[0];
  EXPECT_EQ(policy.ingress[0].at, (SourceLocation{"test.yaml", 6, 5}));
  EXPECT_EQ(policy.ingress[1].at, (SourceLocation{"test.yaml", 7, 7}));
}

TEST(ParseRule, HasOneOfFourActions) {
  EXPECT_EQ(rule_of("{action: Allow}").action, Action::allow);
  EXPECT_EQ(rule_of("{action: Deny}").action, Action::deny);
  EXPECT_EQ(rule_of("{action: Log}").action, Action::log);
  EXPECT_EQ(rule_of("{action: Pass}").action, Action::pass);
  EXPECT_EQ(in_rule("{}"), Strings{"4:18 missing-field"});
  EXPECT_EQ(in_rule("{action: allow}"), Strings{"4:27 bad-action"});
  EXPECT_EQ(in_rule("{action: ''}"), Strings{"4:27 bad-action"});
}

TEST(ParseRule, ProtocolIsANameOrANumber) {
  EXPECT_EQ(rule_of("{action: Allow, protocol: UDPLite}").protocol, protocol::udplite);
  EXPECT_EQ(rule_of("{action: Allow, protocol: 1}").protocol, protocol::icmp);
  EXPECT_EQ(rule_of("{action: Allow, protocol: '255'}").protocol, Protocol{255});
  EXPECT_EQ(rule_of("{action: Allow, notProtocol: SCTP}").not_protocol, protocol::sctp);
  EXPECT_EQ(in_rule("{action: Allow, protocol: tcp}"), Strings{"4:44 protocol-case"});
  EXPECT_EQ(in_rule("{action: Allow, protocol: 0}"), Strings{"4:44 bad-protocol"});
  EXPECT_EQ(in_rule("{action: Allow, protocol: 256}"), Strings{"4:44 bad-protocol"});
  EXPECT_EQ(in_rule("{action: Allow, notProtocol: http}"), Strings{"4:47 bad-protocol"});
}

TEST(ParseRule, FamilyComesFromVersionProtocolNameOrBlocks) {
  EXPECT_EQ(rule_of("{action: Allow}").family, std::nullopt);
  EXPECT_EQ(rule_of("{action: Allow, ipVersion: 6}").family, Family::v6);
  EXPECT_EQ(rule_of("{action: Allow, protocol: ICMP}").family, Family::v4);
  EXPECT_EQ(rule_of("{action: Allow, protocol: ICMPv6}").family, Family::v6);
  EXPECT_EQ(rule_of("{action: Allow, protocol: 58}").family, std::nullopt);
  EXPECT_EQ(rule_of("{action: Allow, source: {nets: [10.0.0.0/8]}}").family, Family::v4);
  EXPECT_EQ(rule_of("{action: Allow, destination: {notNets: ['fe80::/10']}}").family, Family::v6);
}

TEST(ParseRule, ContradictingFamiliesAreAMistake) {
  EXPECT_EQ(in_rule("{action: Allow, ipVersion: 5}"), Strings{"4:45 bad-ip-version"});
  EXPECT_EQ(in_rule("{action: Allow, ipVersion: '4'}"), Strings{"4:45 bad-ip-version"});
  EXPECT_EQ(in_rule("{action: Allow, ipVersion: 6, protocol: ICMP}"), Strings{"4:58 family-mismatch"});
  EXPECT_EQ(in_rule("{action: Allow, ipVersion: 6, protocol: 1}"), Strings{"4:58 family-mismatch"});
  EXPECT_EQ(in_rule("{action: Allow, ipVersion: 4, notProtocol: ICMPv6}"), Strings{"4:61 family-mismatch"});
  EXPECT_EQ(in_rule("{action: Allow, ipVersion: 6, source: {nets: [10.0.0.0/8]}}"), Strings{"4:64 family-mismatch"});
  EXPECT_EQ(in_rule("{action: Allow, protocol: ICMPv6, source: {nets: [10.0.0.0/8]}}"),
            Strings{"4:68 family-mismatch"});
  EXPECT_EQ(in_rule("{action: Allow, source: {nets: [10.0.0.0/8]}, destination: {nets: ['::/0']}}"),
            Strings{"4:85 mixed-families"});
}

TEST(ParseRule, BlocksAreMaskedAndComplete) {
  const Rule rule = rule_of("{action: Allow, source: {nets: [10.0.0.0/8, 192.0.2.1/32], notNets: [10.1.0.0/16]}}");
  EXPECT_EQ(rule.source.nets, (std::vector{prefix("10.0.0.0/8"), prefix("192.0.2.1/32")}));
  EXPECT_EQ(rule.source.not_nets, std::vector{prefix("10.1.0.0/16")});
  EXPECT_EQ(in_rule("{action: Allow, source: {nets: [10.1.2.3/8]}}"), Strings{"4:50 host-bits"});
  EXPECT_EQ(in_rule("{action: Allow, source: {nets: [10.1.2.3]}}"), Strings{"4:50 bare-address"});
  EXPECT_EQ(in_rule("{action: Allow, source: {nets: [10.0.0.0/33]}}"), Strings{"4:50 bad-cidr"});
  EXPECT_EQ(in_rule("{action: Allow, source: {nets: [web]}}"), Strings{"4:50 bad-cidr"});
  EXPECT_EQ(in_rule("{action: Allow, source: {nets: 10.0.0.0/8}}"), Strings{"4:49 not-a-list"});
}

TEST(ParseRule, NothingButEverythingMatchesNothing) {
  EXPECT_EQ(in_rule("{action: Allow, source: {notNets: [0.0.0.0/0]}}"), Strings{"4:53 matches-nothing"});
  EXPECT_EQ(in_rule("{action: Allow, destination: {notNets: ['::/0']}}"), Strings{"4:58 matches-nothing"});
}

TEST(ParseRule, PortsAreNumbersRangesOrNames) {
  const Rule rule =
      rule_of("{action: Allow, protocol: TCP, destination: {ports: [80, '443', '8000:8010', http], notPorts: [1]}}");
  EXPECT_EQ(rule.destination.ports.ranges, (std::vector<PortRange>{{80, 80}, {443, 443}, {8000, 8010}}));
  EXPECT_EQ(rule.destination.ports.names, std::vector<std::string>{"http"});
  EXPECT_EQ(rule.destination.not_ports.ranges, (std::vector<PortRange>{{1, 1}}));
}

TEST(ParseRule, BadPortsAreMistakes) {
  const auto port = [](std::string_view text) {
    return in_rule(fmt::format("{{action: Allow, protocol: TCP, source: {{ports: [{}]}}}}", text));
  };
  EXPECT_EQ(port("0"), Strings{"4:66 bad-port"});
  EXPECT_EQ(port("65536"), Strings{"4:66 bad-port"});
  EXPECT_EQ(port("010"), Strings{"4:66 ambiguous-number"});
  EXPECT_EQ(port("'0:80'"), Strings{"4:66 bad-port"});
  EXPECT_EQ(port("'200:100'"), Strings{"4:66 reversed-range"});
  EXPECT_EQ(port("80-443"), Strings{"4:66 bad-port"});
  EXPECT_EQ(port("'80:'"), Strings{"4:66 bad-port"});
  EXPECT_EQ(port("HTTP"), Strings{"4:66 bad-port"});
  EXPECT_EQ(port("-1"), Strings{"4:66 bad-port"});
  EXPECT_EQ(port("{port: 80}"), Strings{"4:66 bad-port"});
}

TEST(ParseRule, NumbersOfPortsNeedATransport) {
  EXPECT_EQ(in_rule("{action: Allow, destination: {ports: [80]}}"), Strings{"4:55 ports-without-protocol"});
  EXPECT_EQ(in_rule("{action: Allow, destination: {notPorts: [80, http]}}"), Strings{"4:58 ports-without-protocol"});
  EXPECT_TRUE(in_rule("{action: Allow, destination: {ports: [http]}}").empty());
  EXPECT_TRUE(in_rule("{action: Allow, protocol: 132, destination: {ports: [80]}}").empty());
  EXPECT_EQ(in_rule("{action: Allow, protocol: UDPLite, source: {ports: [80]}}"),
            Strings{"4:69 protocol-without-ports"});
  EXPECT_EQ(in_rule("{action: Allow, protocol: 7, source: {ports: [http]}}"), Strings{"4:63 protocol-without-ports"});
}

TEST(ParseRule, IcmpHasTypeAndCode) {
  const Rule rule = rule_of("{action: Allow, protocol: ICMP, icmp: {type: 3, code: 4}, notICMP: {type: 8}}");
  EXPECT_EQ(rule.icmp, (IcmpMatch{3, 4}));
  EXPECT_EQ(rule.not_icmp, (IcmpMatch{8, {}}));
  EXPECT_EQ(rule_of("{action: Allow, protocol: 58, icmp: {}}").icmp, std::nullopt);
  EXPECT_EQ(in_rule("{action: Allow, icmp: {type: 8}}"), Strings{"4:34 icmp-without-protocol"});
  EXPECT_EQ(in_rule("{action: Allow, protocol: TCP, icmp: {type: 8}}"), Strings{"4:49 icmp-without-protocol"});
  EXPECT_TRUE(in_rule("{action: Allow, notICMP: {type: 8}}").empty());
  EXPECT_EQ(in_rule("{action: Allow, protocol: ICMP, icmp: {code: 1}}"), Strings{"4:63 icmp-code-without-type"});
  EXPECT_EQ(in_rule("{action: Allow, protocol: ICMP, icmp: {type: 255}}"), Strings{"4:63 out-of-range"});
  EXPECT_EQ(in_rule("{action: Allow, protocol: ICMP, icmp: {type: 3, code: 256}}"), Strings{"4:72 out-of-range"});
  EXPECT_EQ(in_rule("{action: Allow, protocol: ICMP, icmp: {type: echo}}"), Strings{"4:63 not-a-number"});
}

TEST(ParseRule, SelectorsAreKeptAsWritten) {
  const Rule rule = rule_of(
      "{action: Allow, source: {selector: a == 'b', notSelector: has(c), namespaceSelector: global()}, "
      "destination: {serviceAccounts: {names: [x, y], selector: d == 'e'}}}");
  EXPECT_EQ(rule.source.selector, Selector::parse("a == 'b'").value());
  EXPECT_EQ(rule.source.not_selector, Selector::parse("has(c)").value());
  EXPECT_TRUE(rule.source.namespace_selector->is_global());
  EXPECT_EQ(rule.destination.service_account_names, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(rule.destination.service_account_selector, Selector::parse("d == 'e'").value());
}

TEST(ParseRule, EmptySelectorIsNoCriterion) {
  EXPECT_EQ(rule_of("{action: Allow, source: {selector: ''}}").source.selector, std::nullopt);
}

TEST(ParseRule, SelectorMistakeIsShownWhereItIs) {
  EXPECT_EQ(in_rule("{action: Allow, source: {selector: a = 'b'}}"), Strings{"4:55 bad-selector"});
  EXPECT_EQ(in_rule("{action: Allow, source: {selector: \"a = 'b'\"}}"), Strings{"4:56 bad-selector"});
}

TEST(ParseRule, SelectorMistakeInEscapedTextIsShownAtItsBeginning) {
  EXPECT_EQ(in_rule("{action: Allow, source: {selector: \"a\\x20= 'b'\"}}"), Strings{"4:53 bad-selector"});
  EXPECT_EQ(mistakes(global_policy("\n  selector: |\n    a = 'b'\n")), Strings{"5:13 bad-selector"});
}

TEST(ParseRule, SelectorHasAtMost1024Characters) {
  EXPECT_TRUE(
      in_rule(fmt::format("{{action: Allow, source: {{selector: a == '{}'}}}}", std::string(1017, 'x'))).empty());
  EXPECT_EQ(in_rule(fmt::format("{{action: Allow, source: {{selector: a == '{}'}}}}", std::string(1018, 'x'))),
            Strings{"4:53 selector-too-long"});
}

TEST(ParseRule, GlobalStandsOnlyAloneInANamespaceSelector) {
  EXPECT_TRUE(in_rule("{action: Allow, source: {namespaceSelector: '  global()  '}}").empty());
  EXPECT_EQ(in_rule("{action: Allow, source: {namespaceSelector: global() && all()}}"),
            Strings{"4:62 global-not-allowed"});
  EXPECT_EQ(in_rule("{action: Allow, source: {selector: global()}}"), Strings{"4:53 global-not-allowed"});
  EXPECT_EQ(in_rule("{action: Allow, source: {serviceAccounts: {selector: global()}}}"),
            Strings{"4:71 global-not-allowed"});
}

TEST(ParseRule, ServicesStandWhereTheRuleLeads) {
  const Rule rule = rule_of("{action: Allow, source: {services: {name: web, namespace: prod}}}");
  EXPECT_EQ(rule.source.service, (ServiceReference{"prod", "web"}));
  EXPECT_EQ(in_rule("{action: Allow, destination: {services: {name: web, namespace: prod}}}"),
            Strings{"4:48 services-misplaced"});
  EXPECT_TRUE(mistakes(egress("{action: Allow, destination: {services: {name: web, namespace: prod}}}")).empty());
  EXPECT_EQ(mistakes(egress("{action: Allow, source: {services: {name: web, namespace: prod}}}")),
            Strings{"4:42 services-misplaced"});
}

TEST(ParseRule, ServicesExcludeOtherCriteria) {
  const auto beside = [](std::string_view other) {
    return in_rule(fmt::format("{{action: Allow, source: {{services: {{name: w, namespace: p}}, {}}}}}", other));
  };
  EXPECT_EQ(beside("selector: all()"), Strings{"4:88 services-exclude-others"});
  EXPECT_EQ(beside("notSelector: all()"), Strings{"4:91 services-exclude-others"});
  EXPECT_EQ(beside("namespaceSelector: all()"), Strings{"4:97 services-exclude-others"});
  EXPECT_EQ(beside("nets: [10.0.0.0/8]"), Strings{"4:84 services-exclude-others"});
  EXPECT_EQ(beside("notNets: [10.0.0.0/8]"), Strings{"4:87 services-exclude-others"});
  EXPECT_EQ(beside("serviceAccounts: {}"), Strings{"4:78 services-exclude-others"});
  EXPECT_TRUE(beside("nets: [], selector: ''").empty());
}

TEST(ParseRule, ServiceHasPortsOfItsOwn) {
  EXPECT_EQ(
      mistakes(egress("{action: Allow, protocol: TCP, destination: {services: {name: w, namespace: p}, ports: [80]}}")),
      Strings{"4:104 services-with-ports"});
  EXPECT_TRUE(
      in_rule("{action: Allow, protocol: TCP, source: {services: {name: w, namespace: p}, ports: [80]}}").empty());
}

TEST(ParseRule, ServiceOfAGlobalPolicyNeedsANamespace) {
  EXPECT_EQ(in_rule("{action: Allow, source: {services: {name: w}}}"), Strings{"4:53 missing-field"});
  EXPECT_EQ(in_rule("{action: Allow, source: {services: {namespace: p}}}"), Strings{"4:53 missing-field"});
}

TEST(ParseRule, HttpIsRefused) {
  EXPECT_EQ(in_rule("{action: Allow, http: {methods: [GET]}}"), Strings{"4:34 http-unsupported"});
}

TEST(ParseRule, AnnotationsAreChecked) {
  EXPECT_TRUE(in_rule("{action: Allow, metadata: {annotations: {note: x}}}").empty());
  EXPECT_EQ(in_rule("{action: Allow, metadata: {name: x}}"), Strings{"4:45 unknown-field"});
}

TEST(ParseRule, CriterionOutsideSourceAndDestinationIsExplained) {
  const Parsed parsed = parse_text(with_rule("{action: Allow, protocol: TCP, ports: [80]}"));
  ASSERT_EQ(mistakes(parsed), Strings{"4:49 unknown-field"});
  EXPECT_EQ(parsed.diagnostics[0].help, "write it under \"source:\" or \"destination:\"");
}

TEST(ParseRule, ListsAreBounded) {
  std::string ports;
  for (int i = 1; i <= 51; ++i) ports += fmt::format("{},", i);
  const Parsed parsed =
      parse_text(with_rule(fmt::format("{{action: Allow, protocol: TCP, source: {{ports: [{}]}}}}", ports)));
  ASSERT_EQ(parsed.diagnostics.size(), 1U);
  EXPECT_EQ(parsed.diagnostics[0].code, "too-many");
  std::string rules;
  for (int i = 0; i < 1025; ++i) rules += "{action: Allow},";
  EXPECT_EQ(parse_text(with_rule(rules)).diagnostics[0].code, "too-many");
}

TEST(ParseRule, APlainTruthValueOrOddNumberIsNoPort) {
  EXPECT_EQ(in_rule("{action: Allow, protocol: TCP, destination: {ports: [true]}}"), Strings{"4:71 bad-port"});
  EXPECT_EQ(in_rule("{action: Allow, protocol: TCP, destination: {ports: [0x50]}}"), Strings{"4:71 bad-port"});
}

}  // namespace
}  // namespace drywall::test
