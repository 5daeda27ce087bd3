// SPDX-License-Identifier: GPL-2.0-or-later
#include "flow/flow_record.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/flow/nflog_bytes.h"

namespace drywall {
namespace {

using nlohmann::json;
using test::address;

FlowRecord record() {
  FlowRecord made;
  made.start = Timestamp{std::chrono::seconds{1'790'000'000}};
  made.end = made.start + std::chrono::milliseconds{1500};
  made.reporter = Reporter::destination;
  made.endpoint = {EndpointKind::host, "", "edge"};
  made.source = {FlowPeer::Type::network_set, "", "partners", {}};
  made.destination = {FlowPeer::Type::host, "", "edge", {{"role", "edge"}, {"zone", "a"}}};
  made.source_addresses = {address("198.51.100.7"), address("198.51.100.8")};
  made.destination_addresses = {address("192.0.2.1")};
  made.destination_port = 80;
  made.protocol = protocol::tcp;
  made.interface = "eth0";
  made.action = Verdict::allow;
  made.pending_action = Verdict::deny;
  made.enforced = {
      {"default", PolicyKind::kubernetes_network_policy, "shop", "web", 0, Action::allow, {"a.yaml", 4, 3}}};
  made.pending = {
      {"security", PolicyKind::staged_global_network_policy, "", "guard", 1, Action::pass, {"b.yaml", 7, 3}},
      {"", PolicyKind::profile, "", "", -1, Action::deny, {}}};
  made.packets = 3;
  made.bytes = 180;
  made.connections_started = 2;
  made.lost = 18'446'744'073'709'551'615U;
  return made;
}

TEST(FlowRecordJson, HasEveryKeyWithItsValue) {
  EXPECT_EQ(json::parse(to_json(record())), json::parse(R"({
    "start": "2026-09-21T14:13:20.000Z", "end": "2026-09-21T14:13:21.500Z", "reporter": "dst",
    "source": {"type": "ns", "namespace": "", "name": "partners", "labels": {},
               "addresses": ["198.51.100.7", "198.51.100.8"]},
    "destination": {"type": "hep", "namespace": "", "name": "edge", "labels": {"role": "edge", "zone": "a"},
                    "addresses": ["192.0.2.1"], "port": 80},
    "protocol": "tcp", "icmp_type": null, "icmp_code": null, "interface": "eth0", "bucket": "normal",
    "action": "allow", "pending_action": "would-deny", "differs": true, "failsafe": false, "predicted": false,
    "policies": {
      "enforced": [{"tier": "default", "kind": "NetworkPolicy", "namespace": "shop", "name": "web", "rule": 0,
                    "action": "allow", "file": "a.yaml", "line": 4}],
      "pending": [{"tier": "security", "kind": "StagedGlobalNetworkPolicy", "namespace": "", "name": "guard", "rule": 1,
                   "action": "pass", "file": "b.yaml", "line": 7},
                  {"tier": "", "kind": "Profile", "namespace": "", "name": "", "rule": -1, "action": "deny", "file": "",
                   "line": 0}]},
    "packets": 3, "bytes": 180, "connections": {"started": 2, "completed": 0, "live": 0},
    "lost": 18446744073709551615
  })"));
}

TEST(FlowRecordJson, KeysAreInTheDocumentedOrder) {
  EXPECT_EQ(to_json(record()).substr(0, 80),
            R"({"start":"2026-09-21T14:13:20.000Z","end":"2026-09-21T14:13:21.500Z","reporter":)");
}

TEST(FlowRecordJson, IcmpHasTypeAndCodeAndNoPort) {
  FlowRecord echo = record();
  echo.protocol = protocol::icmp;
  echo.destination_port = 0;
  echo.icmp_type = 0;
  echo.icmp_code = 255;
  const json parsed = json::parse(to_json(echo));
  EXPECT_EQ(parsed["protocol"], "icmp");
  EXPECT_EQ(parsed["icmp_type"], 0);
  EXPECT_EQ(parsed["icmp_code"], 255);
  EXPECT_TRUE(parsed["destination"]["port"].is_null());
}

TEST(FlowRecordJson, WordsOfEveryEnum) {
  FlowRecord other = record();
  other.reporter = Reporter::source;
  other.source.type = FlowPeer::Type::workload;
  other.destination.type = FlowPeer::Type::network;
  other.bucket = Bucket::pre_dnat;
  other.action = Verdict::undecided;
  other.pending_action = Verdict::undecided;
  other.enforced.front().kind = PolicyKind::failsafe;
  other.pending.front().kind = PolicyKind::essential;
  const json parsed = json::parse(to_json(other));
  EXPECT_EQ(parsed["reporter"], "src");
  EXPECT_EQ(parsed["source"]["type"], "wep");
  EXPECT_EQ(parsed["destination"]["type"], "net");
  EXPECT_EQ(parsed["bucket"], "preDNAT");
  EXPECT_EQ(parsed["action"], "allow");
  EXPECT_EQ(parsed["pending_action"], "would-allow");
  EXPECT_EQ(parsed["policies"]["enforced"][0]["kind"], "Failsafe");
  EXPECT_EQ(parsed["policies"]["pending"][0]["kind"], "Essential");
}

TEST(FlowRecordJson, EscapesWhatJsonDoesNotAllow) {
  FlowRecord odd = record();
  odd.source.name = "a\"b\\c\nd\te\x01\x7f/";
  odd.source.labels = {{"k\"ey", "v\\alue"}};
  const std::string text = to_json(odd);
  const json parsed = json::parse(text);
  EXPECT_EQ(parsed["source"]["name"], odd.source.name);
  EXPECT_EQ(parsed["source"]["labels"]["k\"ey"], "v\\alue");
  EXPECT_EQ(text.find('\n'), std::string::npos);
}

TEST(FlowRecordJson, KeepsUtf8AndReplacesWhatIsNot) {
  FlowRecord odd = record();
  odd.source.name = "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\xa5";
  odd.interface = "e\xff\xc0\xaft\xed\xa0\x80h\xe2\x82";
  const json parsed = json::parse(to_json(odd));
  EXPECT_EQ(parsed["source"]["name"], odd.source.name);
  EXPECT_EQ(parsed["interface"],
            "e\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdt\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdh\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(FlowRecordJson, EveryByteGivesReadableJson) {
  for (int first = 0; first < 256; ++first) {
    for (const int second : {0x00, 0x20, 0x22, 0x5c, 0x7f, 0x80, 0x9f, 0xbf, 0xc3, 0xff}) {
      FlowRecord odd = record();
      odd.interface = {static_cast<char>(first), static_cast<char>(second)};
      EXPECT_TRUE(json::accept(to_json(odd))) << first << ' ' << second;
    }
  }
}

}  // namespace
}  // namespace drywall
