// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/parse_rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "policy/parse_entity.h"
#include "policy/parse_metadata.h"
#include "policy/parse_net.h"
#include "policy/parse_port.h"
#include "policy/spelling.h"

namespace drywall::reading {
namespace {

Family family_of_icmp(Protocol protocol) {
  return protocol == protocol::icmp ? Family::v4 : Family::v6;
}

std::optional<Action> read_action(Fields& rule, RuleOwner owner) {
  Reader& reader = rule.reader();
  const yaml::Node* node = rule.find("action");
  if (node == nullptr) {
    rule.missing("action", "write \"action: Allow\", Deny, Log or Pass");
    return {};
  }
  const auto index = reader.word(*node, "action", "bad-action", {"Allow", "Deny", "Pass", "Log"});
  if (!index) return {};
  const auto action = static_cast<Action>(*index);
  if (action == Action::pass && owner == RuleOwner::profile) {
    reader.error(*node, "pass-in-profile", "a Profile cannot pass: nothing is judged after the profiles",
                 "write Allow or Deny");
  }
  return action;
}

std::optional<Family> read_ip_version(Fields& rule) {
  const yaml::Node* node = rule.find("ipVersion");
  if (node == nullptr) return {};
  if (node->type == yaml::Type::scalar && meaning_of(*node) == Meaning::integer) {
    if (node->text == "4") return Family::v4;
    if (node->text == "6") return Family::v6;
  }
  rule.reader().error(*node, "bad-ip-version", fmt::format("ipVersion must be 4 or 6, found {}", found(*node)),
                      "write 4 or 6, or leave it out for both");
  return {};
}

/// `icmp` or `notICMP`. Without a type it matches every packet of the protocol, so it says nothing.
std::optional<IcmpMatch> read_icmp(Fields& rule, std::string_view key) {
  Fields fields(rule.reader(), rule.find(key), key);
  const auto type = fields.integer("type", {0, 254});
  const auto code = fields.integer("code", {0, 255});
  const yaml::Node* code_node = fields.find("code");
  if (code_node != nullptr && fields.find("type") == nullptr) {
    rule.reader().error(*code_node, "icmp-code-without-type", "an ICMP code means nothing without a type",
                        "write the type too, for example \"type: 3\" (destination unreachable)");
  }
  fields.done();
  if (!type) return {};
  IcmpMatch match{static_cast<std::uint8_t>(*type), {}};
  if (code) match.code = static_cast<std::uint8_t>(*code);
  return match;
}

struct RuleProtocol {
  const yaml::Node* node = nullptr;
  std::optional<NamedProtocol> value;
};

RuleProtocol read_rule_protocol(Fields& rule, std::string_view key) {
  RuleProtocol out{rule.find(key), {}};
  if (out.node != nullptr) out.value = read_protocol(rule.reader(), *out.node);
  return out;
}

/// Finds the family of a rule's parts, and the first part that contradicts another.
class FamilyCheck {
 public:
  enum class Part { declaration, block };  // ipVersion or protocol; a CIDR

  explicit FamilyCheck(Reader& reader) : reader_(reader) {}

  void add(Part part, Family family, const yaml::Node& node, std::string_view what) {
    if (!family_) {
      family_ = family;
      first_part_ = part;
      first_ = what;
      return;
    }
    if (*family_ == family || contradicted_) return;
    contradicted_ = true;
    const bool blocks = part == Part::block && first_part_ == Part::block;
    reader_.error(
        node, blocks ? "mixed-families" : "family-mismatch",
        fmt::format("{} is {}, but {} in the same rule is {}", what, name_of(family), first_, name_of(*family_)),
        "write one rule for IPv4 and one for IPv6");
  }
  [[nodiscard]] std::optional<Family> family() const { return family_; }

 private:
  Reader& reader_;
  std::optional<Family> family_;
  Part first_part_ = Part::declaration;
  std::string first_;
  bool contradicted_ = false;
};

/// 0.0.0.0/0 and ::/0 in one list: every address, so no family is meant.
bool is_every_address(const std::vector<Prefix>& nets) {
  return nets.size() == 2 && nets[0].length == 0 && nets[1].length == 0 && nets[0].base.family != nets[1].base.family;
}

/// Leaves out lists that say nothing.
void drop_every_address(Rule& rule) {
  for (EntityMatch* side : {&rule.source, &rule.destination}) {
    if (is_every_address(side->nets)) side->nets.clear();
  }
}

void check_nets(FamilyCheck& check, Reader& reader, Fields& rule, std::string_view side, const EntityMatch& match) {
  const yaml::Node* entity = rule.find(side);
  if (entity == nullptr) return;
  for (const std::string_view key : {"nets", "notNets"}) {
    const yaml::Node* nets = entity->find(key);
    if (nets == nullptr || (key == "nets" && is_every_address(match.nets))) continue;
    for (const yaml::Node& node : nets->items) {
      const auto prefix = parse_prefix(node.text);
      if (!prefix) continue;
      check.add(FamilyCheck::Part::block, prefix->base.family, node, node.text);
      if (key == "notNets" && prefix->length == 0) {
        reader.error(node, "matches-nothing", fmt::format("a rule for everything but {} matches nothing", node.text),
                     "leave the entry out, or write \"nets\" if that block was meant");
      }
    }
  }
}

/// The one family that the rule's parts allow, if they do not allow both.
std::optional<Family> read_family(Fields& rule, const Rule& read, const RuleProtocol& protocol,
                                  const RuleProtocol& not_protocol) {
  Reader& reader = rule.reader();
  FamilyCheck check(reader);
  const std::optional<Family> version = read_ip_version(rule);
  if (version) {
    const yaml::Node& node = *rule.find("ipVersion");
    check.add(FamilyCheck::Part::declaration, *version, node, "ipVersion " + node.text);
  }
  for (const RuleProtocol& p : {protocol, not_protocol}) {
    if (!p.value) continue;
    const bool implied = p.value->family && p.node == protocol.node;
    const bool compared = version && is_icmp(p.value->protocol);
    if (!implied && !compared) continue;
    check.add(FamilyCheck::Part::declaration, family_of_icmp(p.value->protocol), *p.node, "protocol " + p.node->text);
  }
  check_nets(check, reader, rule, "source", read.source);
  check_nets(check, reader, rule, "destination", read.destination);
  return check.family();
}

void check_icmp(Fields& rule, const RuleProtocol& protocol) {
  if (rule.find("icmp") == nullptr || (protocol.node != nullptr && !protocol.value)) return;
  if (protocol.value && is_icmp(protocol.value->protocol)) return;
  rule.reader().error(rule.key("icmp"), "icmp-without-protocol", "icmp needs the protocol ICMP or ICMPv6",
                      "write \"protocol: ICMP\" or \"protocol: ICMPv6\" in the same rule");
}

/// Digits in quotes can be a port's name, and are where there is no protocol: whether an endpoint has such a port is
/// seen when all are read.
bool all_quoted(const yaml::Node& ports) {
  return std::all_of(ports.items.begin(), ports.items.end(), [](const yaml::Node& port) {
    return port.style == yaml::Style::quoted && port.text.find(':') == std::string::npos;
  });
}

void name_ports(PortList& ports) {
  for (const PortRange& range : ports.ranges) ports.names.push_back(std::to_string(range.first));
  ports.ranges.clear();
}

/// Numbers of ports mean nothing without a protocol that has ports.
void check_ports(Fields& rule, const RuleProtocol& protocol, std::string_view side, std::string_view key,
                 PortList& ports) {
  if (ports.empty() || (protocol.node != nullptr && !protocol.value)) return;
  const yaml::Node& node = *rule.find(side)->find(key);
  if (!protocol.value) {
    if (all_quoted(node)) name_ports(ports);
    if (ports.ranges.empty()) return;
    rule.reader().error(node, "ports-without-protocol", "numbers of ports need a protocol",
                        "write \"protocol: TCP\", UDP or SCTP in the same rule");
    return;
  }
  if (is_transport(protocol.value->protocol)) return;
  rule.reader().error(node, "protocol-without-ports", fmt::format("protocol {} has no ports here", protocol.node->text),
                      "write TCP, UDP or SCTP, or leave the ports out");
}

void check_side_ports(Fields& rule, const RuleProtocol& protocol, std::string_view side, EntityMatch& match) {
  check_ports(rule, protocol, side, "ports", match.ports);
  check_ports(rule, protocol, side, "notPorts", match.not_ports);
}

void refuse_http(Fields& rule) {
  if (rule.find("http") == nullptr) return;
  rule.reader().error(rule.key("http"), "http-unsupported", "a packet filter cannot see HTTP methods or paths",
                      "leave \"http\" out and restrict the ports, or use a proxy");
}

void read_rule_metadata(Fields& rule) {
  Fields fields(rule.reader(), rule.find("metadata"), "metadata");
  if (const yaml::Node* node = fields.find("annotations")) (void)read_annotations(rule.reader(), *node);
  fields.done();
}

void add_hints(Fields& rule) {
  rule.hint({"ports", "port", "notPorts", "nets", "notNets", "selector", "notSelector", "namespaceSelector", "services",
             "serviceAccounts"},
            "write it under \"source:\" or \"destination:\"");
  rule.hint({"from"}, "write \"source:\"");
  rule.hint({"to"}, "write \"destination:\"");
}

Rule read_rule(Reader& reader, const yaml::Node& node, Direction direction, RuleOwner owner) {
  Rule out;
  out.at = reader.location(node);
  Fields rule(reader, &node, "a rule");
  if (!rule.present()) return out;
  out.action = read_action(rule, owner).value_or(Action::deny);
  const RuleProtocol protocol = read_rule_protocol(rule, "protocol");
  const RuleProtocol not_protocol = read_rule_protocol(rule, "notProtocol");
  if (protocol.value) out.protocol = protocol.value->protocol;
  if (not_protocol.value) out.not_protocol = not_protocol.value->protocol;
  out.icmp = read_icmp(rule, "icmp");
  out.not_icmp = read_icmp(rule, "notICMP");
  out.source = read_entity(rule, {Side::source, direction, owner});
  out.destination = read_entity(rule, {Side::destination, direction, owner});
  out.family = read_family(rule, out, protocol, not_protocol);
  drop_every_address(out);
  check_icmp(rule, protocol);
  check_side_ports(rule, protocol, "source", out.source);
  check_side_ports(rule, protocol, "destination", out.destination);
  refuse_http(rule);
  read_rule_metadata(rule);
  add_hints(rule);
  rule.done();
  return out;
}

}  // namespace

std::vector<Rule> read_rules(Fields& spec, Direction direction, RuleOwner owner) {
  std::vector<Rule> rules;
  const std::span<const yaml::Node> nodes = spec.items(to_string(direction), most_rules);
  rules.reserve(nodes.size());
  for (const yaml::Node& node : nodes) rules.push_back(read_rule(spec.reader(), node, direction, owner));
  return rules;
}

}  // namespace drywall::reading
