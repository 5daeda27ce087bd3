// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/differential/random_rules.h"

#include <algorithm>

namespace drywall::test {
namespace {

// Around the addresses of the test network: one address, blocks that hold it, its neighbours, halves of the space.
const std::vector<std::string> v4_blocks{
    "10.0.0.0/8",  "10.0.0.0/24",   "10.0.0.1/32", "10.0.0.2/31", "10.1.2.3/32",       "10.2.0.8/30",  "10.9.0.0/16",
    "10.9.0.1/32", "10.9.1.0/24",   "0.0.0.0/1",   "128.0.0.0/1", "198.51.100.0/24",   "192.0.2.0/24", "203.0.113.1/32",
    "224.0.0.0/4", "172.16.0.0/12", "0.0.0.0/32",  "10.8.0.0/30", "255.255.255.255/32"};
const std::vector<std::string> v6_blocks{"fd00::/8",    "fd00::/64",    "fd00::1/128", "fd00::2/127",
                                         "fd01::/64",   "fd01::80/128", "2000::/3",    "2001:db8::/32",
                                         "fd99::1/128", "::/1",         "8000::/1",    "ff00::/8",
                                         "fe80::/10",   "fd98::/16",    "::/128",      "2001:db8::7/128"};
const std::vector<std::int64_t> port_numbers{1, 5, 9, 10, 22, 53, 67, 68, 80, 443, 546, 1000, 2001, 6667, 8080, 65535};
const std::vector<std::string> port_ranges{"5:9",       "9:10",   "1:1023", "1:65535",
                                           "1000:2000", "80:443", "80:80",  "2001:65535"};
const std::vector<std::string> port_names{"web", "dns", "nobody-has-this"};

bool is_icmp(const YamlValue& protocol) {
  return protocol.text.starts_with("ICMP") || protocol.text == "1" || protocol.text == "58";
}

bool has_numbered_ports(const YamlValue* protocol) {
  if (protocol == nullptr) return false;
  const std::vector<std::string> with{"TCP", "UDP", "SCTP", "6", "17", "132"};
  return std::ranges::find(with, protocol->text) != with.end();
}

/// A list of `count` values.
template <class Make>
YamlValue list_of(std::size_t count, Make make) {
  YamlValue made = list();
  for (std::size_t i = 0; i < count; ++i) made.add(make());
  return made;
}

}  // namespace

std::vector<YamlValue> RandomRules::blocks(Family family, std::size_t count, bool with_everything) {
  std::vector<YamlValue> made;
  for (const std::string& block : random_.some(family == Family::v4 ? v4_blocks : v6_blocks, count)) {
    made.push_back(test::quoted(block));
  }
  if (with_everything && random_.chance(12)) made.push_back(test::quoted(family == Family::v4 ? "0.0.0.0/0" : "::/0"));
  return made;
}

YamlValue RandomRules::transport_name() {
  return plain(random_.pick({"TCP", "TCP", "UDP", "SCTP"}));
}

YamlValue RandomRules::number_of_port() {
  return plain(random_.pick(port_numbers));
}

/// Numbers, ranges and names; or names only.
YamlValue RandomRules::ports(bool numbers) {
  return list_of(1 + random_.below(3), [&] {
    const std::size_t form = random_.below(5);
    if (!numbers || form == 0) return text(random_.pick(port_names));
    if (form == 1) return test::quoted(random_.pick(port_ranges));
    if (form == 2) return test::quoted(std::to_string(random_.pick(port_numbers)));
    return number_of_port();
  });
}

YamlValue RandomRules::icmp() {
  YamlValue made = mapping({{"type", plain(random_.pick<std::int64_t>({0, 3, 8, 8, 13, 128, 128, 129, 135, 254}))}});
  if (random_.chance(2)) made.set("code", plain(random_.pick<std::int64_t>({0, 1, 255})));
  return made;
}

/// `protocol`, `notProtocol` and `ipVersion`, none of which contradicts another.
void RandomRules::add_protocol(YamlValue& rule, std::optional<Family>& family) {
  if (!random_.chance(3)) {
    std::vector<std::string> choices{"TCP", "TCP", "UDP", "SCTP", "UDPLite", "6",
                                     "17",  "132", "2",   "253",  "136",     "255"};
    if (family != Family::v6) choices.insert(choices.end(), {"ICMP", "1"});
    if (family != Family::v4) choices.insert(choices.end(), {"ICMPv6", "58"});
    const std::string& protocol = random_.pick(choices);
    rule.set("protocol", plain(protocol));
    if (protocol == "ICMP") family = Family::v4;
    if (protocol == "ICMPv6") family = Family::v6;
  }
  if (random_.chance(8)) {
    std::vector<std::string> choices{"TCP", "UDP", "SCTP", "UDPLite", "253"};
    if (family != Family::v6) choices.emplace_back("ICMP");
    if (family != Family::v4) choices.insert(choices.end(), {"ICMPv6", "58"});
    rule.set("notProtocol", plain(random_.pick(choices)));
    if (!family) return;  // an ipVersion now could contradict it
  }
  if (family && random_.chance(2)) rule.set("ipVersion", plain(*family == Family::v4 ? 4 : 6));
}

void RandomRules::add_icmp(YamlValue& rule) {
  const YamlValue* protocol = rule.find("protocol");
  if (protocol != nullptr && is_icmp(*protocol) && !random_.chance(3)) rule.set("icmp", icmp());
  if (random_.chance(12) || (rule.find("icmp") != nullptr && random_.chance(4))) rule.set("notICMP", icmp());
}

YamlValue RandomRules::service(RuleWriter writer) {
  YamlValue made = mapping({{"name", text(random_.pick({"shop", "shop", "unknown"}))}});
  if (writer != RuleWriter::namespaced_policy || random_.chance(2)) {
    made.set("namespace", text(random_.pick({"default", "prod"})));
  }
  return made;
}

YamlValue RandomRules::service_accounts() {
  YamlValue made;
  if (random_.chance(2)) made.set("names", texts(random_.some<std::string>({"robot", "clerk"}, 1 + random_.below(2))));
  if (made.empty() || random_.chance(3)) made.set("selector", test::quoted(selectors_.selector(Labelled::accounts)));
  return made;
}

YamlValue RandomRules::entity(const YamlValue& rule, std::optional<Family> family, RuleWriter writer,
                              Direction direction, Side side) {
  YamlValue made;
  const bool may_be_service = (side == Side::source) == (direction == Direction::ingress);
  const bool is_service = may_be_service && random_.chance(12);
  if (is_service) {
    made.set("services", service(writer));
  } else {
    if (family && random_.chance(3)) made.set("nets", list(blocks(*family, 1 + random_.below(3))));
    if (!family && random_.chance(20)) made.set("nets", list({test::quoted("0.0.0.0/0"), test::quoted("::/0")}));
    if (family && random_.chance(5)) made.set("notNets", list(blocks(*family, 1 + random_.below(2), false)));
    if (random_.chance(6)) made.set("selector", test::quoted(selectors_.selector()));
    if (random_.chance(12)) made.set("notSelector", test::quoted(selectors_.selector()));
    if (random_.chance(12)) {
      made.set("namespaceSelector",
               test::quoted(random_.chance(3) ? "global()" : selectors_.selector(Labelled::namespaces)));
    }
    if (random_.chance(20)) made.set("serviceAccounts", service_accounts());
  }
  const YamlValue* protocol = rule.find("protocol");
  const bool numbers = has_numbered_ports(protocol);
  const bool ports_allowed = (numbers || protocol == nullptr) && !(is_service && side == Side::destination);
  if (!ports_allowed) return made;
  const std::size_t rarity = side == Side::destination ? 2 : 6;
  if (random_.chance(numbers ? rarity : 8)) made.set("ports", ports(numbers));
  if (random_.chance(numbers ? 6 : 16)) made.set("notPorts", ports(numbers));
  return made;
}

YamlValue RandomRules::calico(RuleWriter writer, Direction direction) {
  std::vector<std::string> actions{"Allow", "Allow", "Allow", "Deny", "Deny", "Log"};
  if (writer != RuleWriter::profile) actions.insert(actions.end(), {"Pass", "Pass"});
  YamlValue rule = mapping({{"action", plain(random_.pick(actions))}});
  if (random_.chance(5)) return rule;
  std::optional<Family> family;
  if (random_.chance(2)) family = random_.pick({Family::v4, Family::v6});
  add_protocol(rule, family);
  add_icmp(rule);
  for (const Side side : {Side::source, Side::destination}) {
    YamlValue made = entity(rule, family, writer, direction, side);
    if (!made.empty()) rule.set(side == Side::source ? "source" : "destination", std::move(made));
  }
  if (random_.chance(20)) {
    rule.set("metadata", mapping({{"annotations", mapping({{"why", test::quoted("because")}})}}));
  }
  return rule;
}

YamlValue RandomRules::of_one_port() {
  YamlValue rule = mapping({{"action", plain(random_.pick({"Allow", "Allow", "Deny", "Deny", "Log"}))}});
  rule.set("protocol", transport_name());
  rule.set("destination", mapping({{"ports", list({number_of_port()})}}));
  if (random_.chance(8)) rule.set("source", mapping({{"nets", list(blocks(Family::v4, 1))}}));
  if (random_.chance(8)) rule.set("source", mapping({{"selector", test::quoted(selectors_.selector())}}));
  return rule;
}

YamlValue RandomRules::kubernetes_peer() {
  YamlValue peer;
  if (random_.chance(2)) {
    const Family family = random_.pick({Family::v4, Family::v6});
    const bool v4 = family == Family::v4;
    YamlValue block =
        mapping({{"cidr", test::quoted(random_.pick(v4 ? std::vector<std::string>{"10.0.0.0/8", "0.0.0.0/0"}
                                                       : std::vector<std::string>{"fd00::/8", "::/0"}))}});
    if (random_.chance(2)) {
      block.set("except",
                list({test::quoted(random_.pick(v4 ? std::vector<std::string>{"10.9.0.0/16", "10.0.0.1/32"}
                                                   : std::vector<std::string>{"fd01::/64", "fd00::1/128"}))}));
    }
    return mapping({{"ipBlock", std::move(block)}});
  }
  if (!random_.chance(4)) peer.set("podSelector", selectors_.label_selector());
  if (peer.empty() || random_.chance(3)) peer.set("namespaceSelector", selectors_.label_selector(Labelled::namespaces));
  return peer;
}

YamlValue RandomRules::kubernetes_port() {
  YamlValue port;
  if (random_.chance(2)) port.set("protocol", transport_name());
  switch (random_.below(4)) {
    case 0:
      port.set("port", text(random_.pick(port_names)));
      break;
    case 1: {
      const std::int64_t first = random_.pick<std::int64_t>({1, 5, 80, 1000});
      port.set("port", plain(first));
      port.set("endPort", plain(first + random_.pick<std::int64_t>({0, 4, 1000})));
      break;
    }
    case 2:
      port.set("port", number_of_port());
      break;
    default:
      if (port.empty()) port.set("protocol", plain("UDP"));
  }
  return port;
}

YamlValue RandomRules::kubernetes(Direction direction) {
  YamlValue rule;
  if (!random_.chance(4)) {
    rule.set(direction == Direction::ingress ? "from" : "to",
             list_of(1 + random_.below(2), [&] { return kubernetes_peer(); }));
  }
  if (random_.chance(2)) {
    rule.set("ports", list_of(1 + random_.below(3), [&] { return kubernetes_port(); }));
  }
  return rule;
}

YamlValue RandomRules::cluster_pods() {
  YamlValue pods;
  if (random_.chance(2)) pods.set("namespaceSelector", selectors_.label_selector(Labelled::namespaces));
  pods.set("podSelector", selectors_.label_selector());
  return pods;
}

YamlValue RandomRules::cluster_peer(Direction direction) {
  if (direction == Direction::egress && random_.chance(2)) {
    // Both families in one list are allowed here.
    YamlValue networks = list(blocks(Family::v4, random_.below(3)));
    for (YamlValue& block : blocks(Family::v6, networks.empty() ? 1 : random_.below(2))) networks.add(std::move(block));
    return mapping({{"networks", std::move(networks)}});
  }
  if (random_.chance(2)) return mapping({{"namespaces", selectors_.label_selector(Labelled::namespaces)}});
  return mapping({{"pods", cluster_pods()}});
}

YamlValue RandomRules::cluster_protocol() {
  if (random_.chance(4)) return mapping({{"destinationNamedPort", text(random_.pick(port_names))}});
  YamlValue transport;
  if (random_.chance(3)) {
    const std::int64_t start = random_.pick<std::int64_t>({1, 5, 80, 1000});
    const std::int64_t end = start + random_.pick<std::int64_t>({0, 4, 1000});
    transport.set("destinationPort", mapping({{"range", mapping({{"start", plain(start)}, {"end", plain(end)}})}}));
  } else if (!random_.chance(4)) {
    transport.set("destinationPort", mapping({{"number", number_of_port()}}));
  }
  return mapping({{random_.pick({"tcp", "udp", "sctp"}), std::move(transport)}});
}

YamlValue RandomRules::cluster(Direction direction) {
  YamlValue rule;
  if (random_.chance(4)) rule.set("name", test::quoted("a rule"));
  rule.set("action", plain(random_.pick({"Accept", "Accept", "Deny", "Pass"})));
  rule.set(direction == Direction::ingress ? "from" : "to",
           list_of(1 + random_.below(2), [&] { return cluster_peer(direction); }));
  if (random_.chance(2)) {
    rule.set("protocols", list_of(1 + random_.below(3), [&] { return cluster_protocol(); }));
  }
  return rule;
}

}  // namespace drywall::test
