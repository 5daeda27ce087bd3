// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/parse_kubernetes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "policy/name.h"
#include "policy/parse_label_selector.h"
#include "policy/parse_net.h"
#include "policy/parse_policy.h"
#include "policy/parse_port.h"
#include "policy/parse_rule.h"
#include "policy/spelling.h"

namespace drywall::reading {
namespace {

constexpr std::size_t most_rule_peers = 4096;  // of one rule; Kubernetes bounds only the whole document
constexpr std::size_t most_rule_ports = 4096;  // likewise
constexpr std::size_t most_excepts = 4096;     // of one ipBlock
constexpr double order_of_kubernetes = 1000;

bool contains(const Prefix& outer, const Prefix& inner) {
  return outer.base.family == inner.base.family && inner.length > outer.length &&
         masked({inner.base, outer.length}) == outer;
}

EntityMatch read_ip_block(Reader& reader, const yaml::Node& node) {
  EntityMatch match;
  Fields fields(reader, &node, "ipBlock");
  const yaml::Node* cidr = fields.find("cidr");
  std::optional<Prefix> block;
  if (cidr != nullptr) block = read_net(reader, *cidr, NetForm::unmasked);
  if (cidr == nullptr) fields.missing("cidr", "write the block: \"cidr: 10.0.0.0/8\"");
  if (block) match.nets.push_back(*block);
  for (const yaml::Node& except : fields.items("except", most_excepts)) {
    const auto hole = read_net(reader, except, NetForm::unmasked);
    if (!hole || !block) continue;
    if (!contains(*block, *hole)) {
      reader.error(except, "except-outside-cidr",
                   fmt::format("{} is not a part of {}", in_quotes(except.text), in_quotes(cidr->text)),
                   "write blocks that lie inside cidr and are smaller");
      continue;
    }
    match.not_nets.push_back(*hole);
  }
  fields.done();
  return match;
}

/// A peer of fields that do not exist: that has been said already.
bool says_something_else(const yaml::Node& peer) {
  constexpr std::array known{"podSelector", "namespaceSelector", "ipBlock"};
  return std::any_of(peer.entries.begin(), peer.entries.end(), [&](const auto& entry) {
    return std::find(known.begin(), known.end(), entry.first.text) == known.end();
  });
}

EntityMatch read_peer(Reader& reader, const yaml::Node& node) {
  Fields fields(reader, &node, "a peer");
  if (!fields.present()) return {};
  const yaml::Node* block = fields.find("ipBlock");
  const yaml::Node* pods = fields.find("podSelector");
  const yaml::Node* namespaces = fields.find("namespaceSelector");
  fields.hint({"matchLabels", "matchExpressions"}, "write \"podSelector:\" or \"namespaceSelector:\" above it");
  fields.hint({"cidr", "except"}, "write \"ipBlock:\" above it");
  fields.hint({"ports"}, "\"ports\" stands beside from and to, not in a peer: indent it less and leave out the \"-\"");
  fields.done();
  if (block != nullptr) {
    if (pods != nullptr || namespaces != nullptr) {
      reader.error(*(pods != nullptr ? pods : namespaces), "ip-block-with-selector",
                   "a peer is either an ipBlock or selected by labels", "write two peers, each with its own \"-\"");
    }
    return read_ip_block(reader, *block);
  }
  if (pods == nullptr && namespaces == nullptr) {
    if (says_something_else(node)) return {};
    reader.error(node, "empty-peer", "a peer must say who it is",
                 "write podSelector, namespaceSelector or ipBlock; to allow everybody leave the whole list out");
    return {};
  }
  EntityMatch match;
  match.selector = reader.known_selector(read_label_selector(reader, pods, "podSelector", Selects::pods));
  if (namespaces != nullptr) {
    match.namespace_selector =
        reader.known_selector(read_label_selector(reader, namespaces, "namespaceSelector", Selects::namespaces));
  }
  return match;
}

std::vector<EntityMatch> read_peers(Fields& rule, std::string_view key) {
  std::vector<EntityMatch> peers;
  for (const yaml::Node& node : rule.items(key, most_rule_peers)) peers.push_back(read_peer(rule.reader(), node));
  if (peers.empty()) peers.emplace_back();
  return peers;
}

std::string help_for_port(std::string_view text) {
  const std::size_t separator = text.find_first_of(":-");
  const std::string_view first = text.substr(0, separator);
  const bool number = !first.empty() && first.find_first_not_of("0123456789") == std::string_view::npos;
  if (number && separator == std::string_view::npos) return fmt::format("leave the quotes out: {}", first);
  if (number)
    return fmt::format("write a range as \"port: {}\" and \"endPort: {}\"", first, text.substr(separator + 1));
  return "write a number from 1 to 65535, or a port's name: up to 15 lower-case letters, digits and '-'";
}

std::optional<Port> read_name_of_port(Reader& reader, const yaml::Node& node) {
  if (is_port_name(node.text)) return Port{{}, node.text};
  reader.error(node, "bad-port", fmt::format("{} is neither a port nor a port's name", in_quotes(node.text)),
               help_for_port(shortened(node.text)));
  return {};
}

/// `port` and `endPort`; nothing: every port of the protocol.
std::optional<Port> read_kubernetes_port(Fields& fields) {
  Reader& reader = fields.reader();
  const yaml::Node* node = fields.find("port");
  const yaml::Node* end_node = fields.find("endPort");
  if (node == nullptr) {
    if (end_node != nullptr) {
      reader.error(*end_node, "end-port-without-port", "endPort needs a port to begin at",
                   "write \"port: 8000\" beside it");
    }
    return {};
  }
  if (node->type == yaml::Type::scalar && meaning_of(*node) == Meaning::text) {
    if (end_node != nullptr) {
      reader.error(*end_node, "end-port-without-port", "endPort needs a port's number, not its name",
                   "write \"port: 8000\"");
    }
    return read_name_of_port(reader, *node);
  }
  const auto first = read_port_number(reader, *node, "port");
  const auto last = end_node == nullptr ? first : read_port_number(reader, *end_node, "endPort");
  if (!first || !last) return {};
  if (*last < *first) {
    reader.error(*end_node, "reversed-range", fmt::format("endPort {} is below port {}", *last, *first),
                 fmt::format("write port: {} and endPort: {}", *last, *first));
    return {};
  }
  return Port{PortRange{*first, *last}, {}};
}

void simplify(PortList& ports) {
  if (ports.ranges.size() > 1) ports.ranges = merged(std::move(ports.ranges));
}

std::optional<PortEntry> read_port_entry(Reader& reader, const yaml::Node& node) {
  Fields fields(reader, &node, "a port");
  if (!fields.present()) return {};
  PortEntry entry{"TCP", {}};
  if (const yaml::Node* protocol = fields.find("protocol")) {
    if (!read_transport(reader, *protocol, "protocol")) return {};
    entry.protocol = protocol->text;
  }
  entry.port = read_kubernetes_port(fields);
  fields.hint({"ports"}, "write one entry for each port: \"- port: 80\"");
  fields.done();
  return entry;
}

std::vector<ProtocolPorts> read_ports(Fields& rule) {
  std::vector<PortEntry> entries;
  for (const yaml::Node& node : rule.items("ports", most_rule_ports)) {
    if (auto entry = read_port_entry(rule.reader(), node)) entries.push_back(*std::move(entry));
  }
  return by_protocol(std::move(entries));
}

void read_kubernetes_rule(Document& document, const yaml::Node& node, Direction direction, std::vector<Rule>& rules) {
  Reader& reader = document.reader;
  Fields fields(reader, &node, "a rule");
  if (!fields.present()) return;
  const bool ingress = direction == Direction::ingress;
  const std::vector<EntityMatch> peers = read_peers(fields, ingress ? "from" : "to");
  const std::vector<ProtocolPorts> protocols = read_ports(fields);
  fields.hint({ingress ? "to" : "from"}, ingress ? "an ingress rule has \"from\"" : "an egress rule has \"to\"");
  fields.hint({"action", "source", "destination"},
              "a Kubernetes rule only allows: write \"from\", \"to\" and \"ports\"");
  fields.hint({"podSelector", "namespaceSelector", "ipBlock"}, "write it as an element of \"from:\" or \"to:\"");
  fields.done();
  Rule prototype;
  prototype.at = reader.location(node);
  append_rules(document, node, rules, prototype, direction, peers, protocols);
}

std::vector<Rule> read_kubernetes_rules(Document& document, Fields& spec, Direction direction) {
  std::vector<Rule> rules;
  for (const yaml::Node& node : spec.items(to_string(direction), most_rules)) {
    read_kubernetes_rule(document, node, direction, rules);
  }
  return rules;
}

void read_spec(Document& document, Fields& spec, Policy& policy) {
  const yaml::Node* pods = spec.find("podSelector");
  if (pods == nullptr) spec.missing("podSelector", "write \"podSelector: {}\" for every pod of the namespace");
  policy.selector =
      document.reader.known_selector(read_label_selector(document.reader, pods, "podSelector", Selects::pods));
  policy.selector_text = policy.selector.canonical();
  policy.ingress = read_kubernetes_rules(document, spec, Direction::ingress);
  policy.egress = read_kubernetes_rules(document, spec, Direction::egress);
  // As kube-apiserver fills the field in: it is never absent there.
  const Governed governed = read_types(spec, "policyTypes").value_or(Governed{true, !policy.egress.empty()});
  policy.governs_ingress = governed.ingress;
  policy.governs_egress = governed.egress;
}

void add_hints(Fields& spec) {
  spec.hint({"selector"}, "write \"podSelector:\" with \"matchLabels:\" below it");
  spec.hint({"types"}, "write \"policyTypes\"");
  spec.hint({"tier", "order"},
            "a Kubernetes policy has tier default and order 1000: leave it out, or write a Calico policy");
}

}  // namespace

void read_kubernetes_policy(Document& document, PolicyKind kind) {
  Policy policy = begin_policy(document, kind);
  policy.order = order_of_kubernetes;
  const yaml::Node* node = document.fields.find("spec");
  if (node == nullptr) document.fields.missing("spec", "write at least \"spec: {podSelector: {}}\"");
  Fields spec(document.reader, node, "spec");
  policy.staged_action = read_staged_action(spec, kind);
  if (policy.staged_action == StagedAction::remove) {
    spec.accept({"podSelector", "ingress", "egress", "policyTypes"});  // empty ones
    if (refuse_fields_of_deletion(spec, {"stagedAction"})) spec.done();
  } else {
    read_spec(document, spec, policy);
    add_hints(spec);
    spec.done();
  }
  document.draft.inventory.policies.push_back(std::move(policy));
}

void append_rules(Document& document, const yaml::Node& node, std::vector<Rule>& rules, const Rule& prototype,
                  Direction direction, const std::vector<EntityMatch>& peers,
                  const std::vector<ProtocolPorts>& protocols) {
  std::size_t& left = document.draft.expansion_left;
  for (const ProtocolPorts& protocol : protocols) {
    const std::size_t cost = 1 + protocol.ports.ranges.size() + protocol.ports.names.size();
    if (left / cost < peers.size()) {
      document.reader.error(node, "too-many",
                            fmt::format("{} peers and as many copies of the ports are too many", peers.size()),
                            "use fewer peers: give them a label of their own");
      return;
    }
    left -= cost * peers.size();
    for (const EntityMatch& peer : peers) {
      Rule rule = prototype;
      rule.protocol = protocol.protocol;
      rule.family = family_of(peer.nets, peer.not_nets);
      (direction == Direction::ingress ? rule.source : rule.destination) = peer;
      rule.destination.ports = protocol.ports;
      rules.push_back(std::move(rule));
    }
  }
}

std::vector<ProtocolPorts> by_protocol(std::vector<PortEntry> entries) {
  std::map<std::string_view, PortList> lists;
  std::map<std::string_view, bool> every_port;
  for (PortEntry& entry : entries) {
    PortList& list = lists[entry.protocol];
    if (entry.port) {
      append(list, *std::move(entry.port));
    } else {
      every_port[entry.protocol] = true;
    }
  }
  std::vector<ProtocolPorts> out;
  for (auto& [name, list] : lists) {
    if (every_port[name]) list = {};
    simplify(list);
    out.push_back({parse_protocol(name), std::move(list)});
  }
  if (out.empty()) out.emplace_back();
  return out;
}

std::optional<Family> family_of(const std::vector<Prefix>& nets, const std::vector<Prefix>& not_nets) {
  std::optional<Family> family;
  for (const std::vector<Prefix>* list : {&nets, &not_nets}) {
    for (const Prefix& net : *list) {
      if (family && *family != net.base.family) return {};
      family = net.base.family;
    }
  }
  return family;
}

}  // namespace drywall::reading
