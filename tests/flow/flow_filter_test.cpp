// SPDX-License-Identifier: GPL-2.0-or-later
#include "flow/flow_filter.h"

#include <gtest/gtest.h>

#include "tests/flow/nflog_bytes.h"

namespace drywall {
namespace {

using test::address;
using Fields = std::vector<std::pair<std::string, std::string>>;

constexpr Timestamp now{std::chrono::seconds{1'790'000'000}};  // 2026-09-21T14:13:20Z

FlowFilter parsed(const Fields& fields) {
  return parse_flow_filter(fields, now).value();
}
std::string error_of(const std::string& key, const std::string& value) {
  const auto filter = parse_flow_filter(Fields{{key, value}}, now);
  return filter ? "" : filter.error();
}

FlowRecord record() {
  FlowRecord made;
  made.start = now - std::chrono::seconds{20};
  made.end = now - std::chrono::seconds{10};
  made.reporter = Reporter::source;
  made.source = {FlowPeer::Type::workload, "shop", "a", {}};
  made.destination = {FlowPeer::Type::network, "", "pvt", {}};
  made.source_addresses = {address("10.1.0.1")};
  made.destination_addresses = {address("2001:db8::5")};
  made.destination_port = 5432;
  made.protocol = protocol::tcp;
  made.action = Verdict::allow;
  made.pending_action = Verdict::deny;
  made.enforced = {{"default", PolicyKind::network_policy, "shop", "default.out", 0, Action::allow, {}}};
  made.pending = {{"security", PolicyKind::staged_global_network_policy, "", "no-db", -1, Action::deny, {}}};
  return made;
}

bool shows(const Fields& fields) {
  return matches(parsed(fields), record());
}

TEST(FlowFilter, EmptyFilterShowsEverything) {
  EXPECT_TRUE(shows({}));
}

TEST(FlowFilter, TimesOverlapTheRecord) {
  EXPECT_TRUE(shows({{"since", "10s"}}));
  EXPECT_FALSE(shows({{"since", "9s"}}));
  EXPECT_FALSE(shows({{"until", "20s"}}));
  EXPECT_TRUE(shows({{"until", "19s"}}));
}

TEST(FlowFilter, ReadsDurationsAndRfc3339) {
  EXPECT_EQ(parsed({{"since", "15m"}}).since, now - std::chrono::minutes{15});
  EXPECT_EQ(parsed({{"since", "2h"}}).since, now - std::chrono::hours{2});
  EXPECT_EQ(parsed({{"since", "7d"}}).since, now - std::chrono::hours{168});
  EXPECT_EQ(parsed({{"since", "2026-09-21T14:13:20Z"}}).since, now);
  EXPECT_EQ(parsed({{"since", "2026-09-21T16:13:20.5+02:00"}}).since, now + std::chrono::milliseconds{500});
  EXPECT_EQ(parsed({{"since", "2026-09-21 14:13:20z"}}).since, now);
}

TEST(FlowFilter, RefusesTimesThatAreNone) {
  for (const char* text :
       {"", "s", "10", "-5s", "1.5h", "5w", "yesterday", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+2:00",
        "99999999999s", "2026-01-01T00:00:00Zx"}) {
    EXPECT_NE(error_of("since", text), "") << text;
  }
  EXPECT_EQ(error_of("until", "soon"),
            "until \"soon\" is not a time; write one like 2026-01-31T23:59:59Z, or how long ago: 90s, 15m, 2h, 7d");
}

TEST(FlowFilter, ActionsAndDifference) {
  EXPECT_TRUE(shows({{"action", "allow"}}));
  EXPECT_FALSE(shows({{"action", "deny"}}));
  EXPECT_TRUE(shows({{"pending-action", "would-deny"}}));
  EXPECT_TRUE(shows({{"pending-action", "deny"}}));
  EXPECT_FALSE(shows({{"pending-action", "would-allow"}}));
  EXPECT_TRUE(shows({{"differs", "true"}}));
  EXPECT_FALSE(shows({{"differs", "false"}}));
  EXPECT_EQ(error_of("action", "block"), "action \"block\" is not possible; write allow or deny");
  EXPECT_EQ(error_of("pending-action", "would"),
            "pending-action \"would\" is not possible; write would-allow or would-deny");
  EXPECT_EQ(error_of("differs", "yes"), "differs \"yes\" is not possible; write true or false");
}

TEST(FlowFilter, PolicyOfEitherTraceByNameNamespaceAndKind) {
  EXPECT_TRUE(shows({{"policy", "default.out"}}));
  EXPECT_TRUE(shows({{"policy", "out"}}));
  EXPECT_TRUE(shows({{"policy", "no-db"}}));
  EXPECT_TRUE(shows({{"policy", "security.no-db"}}));
  EXPECT_FALSE(shows({{"policy", "default.no-db"}}));
  EXPECT_TRUE(shows({{"policy", "shop/out"}}));
  EXPECT_FALSE(shows({{"policy", "other/out"}}));
  EXPECT_TRUE(shows({{"policy", "NetworkPolicy/out"}}));
  EXPECT_TRUE(shows({{"policy", "NetworkPolicy/shop/out"}}));
  EXPECT_FALSE(shows({{"policy", "StagedNetworkPolicy/shop/out"}}));
  EXPECT_TRUE(shows({{"policy", "StagedGlobalNetworkPolicy/no-db"}}));
  EXPECT_FALSE(shows({{"policy", "GlobalNetworkPolicy/no-db"}}));
}

TEST(FlowFilter, RefusesPoliciesThatAreNone) {
  for (const char* text : {"", "/", "a/", "/a", "a//b", "NetworkPolicy/a/b/c", "Deployment/shop/a"}) {
    EXPECT_NE(error_of("policy", text), "") << text;
  }
}

TEST(FlowFilter, SeveralValuesOfOneFieldAreAlternativesAndFieldsAllHold) {
  EXPECT_TRUE(shows({{"port", "80"}, {"port", "5432"}}));
  EXPECT_FALSE(shows({{"port", "80"}}));
  EXPECT_TRUE(shows({{"protocol", "udp"}, {"protocol", "TCP"}, {"port", "5432"}}));
  EXPECT_FALSE(shows({{"protocol", "6"}, {"port", "80"}}));
  EXPECT_TRUE(shows({{"tier", "nothing"}, {"tier", "security"}}));
  EXPECT_FALSE(shows({{"tier", "secur"}}));
}

TEST(FlowFilter, PeersByNameAddressAndBlock) {
  EXPECT_TRUE(shows({{"source", "a"}}));
  EXPECT_TRUE(shows({{"source", "shop/a"}}));
  EXPECT_FALSE(shows({{"source", "other/a"}}));
  EXPECT_TRUE(shows({{"source", "10.1.0.1"}}));
  EXPECT_TRUE(shows({{"source", "10.1.0.99/24"}}));
  EXPECT_FALSE(shows({{"source", "10.1.1.0/24"}}));
  EXPECT_FALSE(shows({{"source", "::/0"}}));
  EXPECT_TRUE(shows({{"destination", "pvt"}, {"source", "a"}}));
  EXPECT_TRUE(shows({{"destination", "2001:db8::/32"}}));
  EXPECT_NE(error_of("source", "10.0.0.0/33"), "");
  EXPECT_NE(error_of("destination", ""), "");
}

TEST(FlowFilter, Reporter) {
  EXPECT_TRUE(shows({{"reporter", "src"}}));
  EXPECT_FALSE(shows({{"reporter", "dst"}}));
  EXPECT_EQ(error_of("reporter", "both"), "reporter \"both\" is not possible; write src or dst");
}

TEST(FlowFilter, RefusesPortsProtocolsAndFieldsThatAreNone) {
  EXPECT_EQ(error_of("port", "65536"), "port \"65536\" is not a port; write a number from 0 to 65535");
  EXPECT_NE(error_of("port", "http"), "");
  EXPECT_NE(error_of("protocol", "256"), "");
  EXPECT_NE(error_of("protocol", "tpc"), "");
  EXPECT_NE(error_of("tier", ""), "");
  EXPECT_EQ(error_of("verdict", "allow"),
            "\"verdict\" is not a filter; filters are since, until, action, pending-action, differs, policy, tier, "
            "source, destination, port, protocol and reporter");
}

TEST(FlowFilter, FieldWithOneValueIsWrittenOnce) {
  EXPECT_EQ(parse_flow_filter(Fields{{"action", "allow"}, {"action", "deny"}}, now).error(),
            "action is given twice; write it once");
}

TEST(Rfc3339, HasMillisecondsAndUtc) {
  EXPECT_EQ(to_rfc3339(now), "2026-09-21T14:13:20.000Z");
  EXPECT_EQ(to_rfc3339(now + std::chrono::microseconds{123'999}), "2026-09-21T14:13:20.123Z");
  EXPECT_EQ(to_rfc3339(Timestamp{}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(to_rfc3339(Timestamp{std::chrono::microseconds{-1}}), "1969-12-31T23:59:59.999Z");
}

}  // namespace
}  // namespace drywall
