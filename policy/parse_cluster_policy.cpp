// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/parse_cluster_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "policy/parse_kubernetes.h"
#include "policy/parse_label_selector.h"
#include "policy/parse_net.h"
#include "policy/parse_policy.h"
#include "policy/parse_port.h"
#include "policy/spelling.h"

namespace drywall::reading {
namespace {

// As the CRD has them.
constexpr std::size_t most_rules_of_kind = 25;
constexpr std::size_t most_peers = 25;
constexpr std::size_t most_networks = 25;
constexpr std::size_t most_protocols = 25;
constexpr std::size_t longest_rule_name = 100;

struct PodSelection {
  Selector namespaces;
  Selector pods;
};

/// `pods: {namespaceSelector, podSelector}`; without namespaceSelector every namespace.
PodSelection read_pods(Reader& reader, const yaml::Node& node) {
  Fields fields(reader, &node, "pods");
  const yaml::Node* pods = fields.find("podSelector");
  const yaml::Node* namespaces = fields.find("namespaceSelector");
  if (pods == nullptr) fields.missing("podSelector", "write \"podSelector: {}\" for every pod");
  fields.done();
  const std::string in = namespaces == nullptr
                             ? "all()"
                             : read_label_selector(reader, namespaces, "namespaceSelector", Selects::namespaces);
  return {reader.known_selector(in),
          reader.known_selector(read_label_selector(reader, pods, "podSelector", Selects::pods))};
}

Selector read_namespaces(Reader& reader, const yaml::Node& node) {
  return reader.known_selector(read_label_selector(reader, &node, "namespaces", Selects::namespaces));
}

void read_subject(Fields& spec, Policy& policy) {
  Reader& reader = spec.reader();
  const yaml::Node* node = spec.find("subject");
  if (node == nullptr) spec.missing("subject", "write \"subject: {namespaces: {}}\" for every pod");
  Fields subject(reader, node, "subject");
  const yaml::Node* namespaces = subject.find("namespaces");
  const yaml::Node* pods = subject.find("pods");
  subject.done();
  policy.selector = reader.known_selector(read_label_selector(reader, nullptr, "podSelector", Selects::pods));
  if (subject.present() && (namespaces == nullptr) == (pods == nullptr)) {
    reader.error(subject.node(), "bad-subject", "a subject must be either namespaces or pods",
                 "write \"namespaces:\" with \"matchLabels:\" below it, or \"pods:\" with both selectors below it");
    return;
  }
  if (namespaces != nullptr) policy.namespace_selector = read_namespaces(reader, *namespaces);
  if (pods == nullptr) return;
  const PodSelection selection = read_pods(reader, *pods);
  policy.namespace_selector = selection.namespaces;
  policy.selector = selection.pods;
}

std::vector<Prefix> read_networks(Fields& peer) {
  std::vector<Prefix> nets;
  const yaml::Node* list = peer.find("networks");
  if (list != nullptr && list->type == yaml::Type::sequence && list->items.empty()) {
    peer.reader().error(*list, "empty-networks", "networks is empty, which would mean nobody or everybody",
                        "write the networks, for everybody 0.0.0.0/0 and ::/0");
  }
  for (const yaml::Node& node : peer.items("networks", most_networks)) {
    if (const auto net = read_net(peer.reader(), node, NetForm::unmasked)) nets.push_back(*net);
  }
  return nets;
}

EntityMatch read_peer(Reader& reader, const yaml::Node& node, Direction direction) {
  Fields peer(reader, &node, "a peer");
  if (!peer.present()) return {};
  const bool egress = direction == Direction::egress;
  const std::string_view kinds = egress ? "namespaces, pods or networks" : "namespaces or pods";
  for (const std::string_view key : {"nodes", "domainNames"}) {
    if (peer.find(key) != nullptr) {
      reader.error(peer.key(key), "peer-unsupported", fmt::format("a peer of {} is not supported", key),
                   fmt::format("write {}", kinds));
      return {};
    }
  }
  EntityMatch match;
  const yaml::Node* namespaces = peer.find("namespaces");
  const yaml::Node* pods = peer.find("pods");
  if (egress) match.nets = read_networks(peer);
  const bool networks = egress && peer.find("networks") != nullptr;
  peer.hint({"ipBlock", "networks"},
            egress ? "write \"networks: [10.0.0.0/8]\"" : "only an egress rule can have networks");
  peer.hint({"podSelector", "namespaceSelector"}, "write \"pods:\" above it");
  peer.done();
  if ((namespaces != nullptr) + (pods != nullptr) + networks != 1) {
    reader.error(node, "empty-peer", fmt::format("a peer must be exactly one of {}", kinds),
                 "to mean everybody write \"namespaces: {}\"");
    return {};
  }
  if (namespaces != nullptr) match.namespace_selector = read_namespaces(reader, *namespaces);
  if (pods != nullptr) {
    const PodSelection selection = read_pods(reader, *pods);
    match.namespace_selector = selection.namespaces;
    match.selector = selection.pods;
  }
  return match;
}

/// `destinationPort: {number} or {range: {start, end}}`; nothing: every port.
std::optional<Port> read_destination_port(Reader& reader, const yaml::Node& node) {
  Fields fields(reader, &node, "destinationPort");
  if (!fields.present()) return {};
  const yaml::Node* number = fields.find("number");
  const yaml::Node* range = fields.find("range");
  fields.done();
  if ((number == nullptr) == (range == nullptr)) {
    reader.error(node, "bad-port", "destinationPort must be either a number or a range",
                 "write \"number: 80\" or \"range: {start: 80, end: 90}\"");
    return {};
  }
  if (number != nullptr) {
    const auto port = read_port_number(reader, *number, "number");
    return port ? std::optional(Port{PortRange{*port, *port}, {}}) : std::nullopt;
  }
  Fields ends(reader, range, "range");
  const yaml::Node* start = ends.find("start");
  const yaml::Node* end = ends.find("end");
  if (start == nullptr) ends.missing("start", "write the first port");
  if (end == nullptr) ends.missing("end", "write the last port");
  ends.done();
  const auto first = start == nullptr ? std::nullopt : read_port_number(reader, *start, "start");
  const auto last = end == nullptr ? std::nullopt : read_port_number(reader, *end, "end");
  if (!first || !last) return {};
  if (*last < *first) {
    reader.error(*end, "reversed-range", fmt::format("the range {} to {} ends before it begins", *first, *last),
                 fmt::format("write start: {} and end: {}", *last, *first));
    return {};
  }
  return Port{PortRange{*first, *last}, {}};
}

std::optional<PortEntry> read_named_entry(Fields& entry) {
  const auto name = entry.text("destinationNamedPort");
  if (!name) return {};
  const bool fits = name->size() <= 128 && std::all_of(name->begin(), name->end(), [](unsigned char c) {
                      return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
                    });
  if (fits) return PortEntry{{}, Port{{}, std::string(*name)}};
  entry.reader().error(*entry.find("destinationNamedPort"), "bad-port",
                       fmt::format("{} cannot be a port's name", in_quotes(*name)),
                       "write up to 15 lower-case letters, digits and '-'");
  return {};
}

std::optional<PortEntry> read_protocol_entry(Reader& reader, const yaml::Node& node) {
  Fields entry(reader, &node, "a protocol");
  if (!entry.present()) return {};
  std::optional<PortEntry> out = read_named_entry(entry);
  std::size_t written = entry.text("destinationNamedPort") ? 1 : 0;
  for (const auto& [key, protocol] :
       {std::pair<std::string_view, std::string_view>{"tcp", "TCP"}, {"udp", "UDP"}, {"sctp", "SCTP"}}) {
    const yaml::Node* value = entry.find(key);
    if (value == nullptr) continue;
    ++written;
    Fields fields(reader, value, key);
    const yaml::Node* port = fields.find("destinationPort");
    fields.done();
    out = PortEntry{protocol, port == nullptr ? std::nullopt : read_destination_port(reader, *port)};
  }
  entry.hint({"TCP", "UDP", "SCTP"}, "write it in lower case here: \"tcp:\"");
  entry.hint({"portNumber", "portRange", "namedPort", "protocol", "port"},
             "write \"tcp: {destinationPort: {number: 80}}\", or \"destinationNamedPort: http\"");
  entry.done();
  if (written == 1) return out;
  reader.error(node, "bad-protocol", "a protocol must be exactly one of tcp, udp, sctp or destinationNamedPort",
               "write one entry for each, such as \"- tcp: {destinationPort: {number: 80}}\"");
  return {};
}

std::vector<ProtocolPorts> read_protocols(Fields& rule) {
  std::vector<PortEntry> entries;
  for (const yaml::Node& node : rule.items("protocols", most_protocols)) {
    if (auto entry = read_protocol_entry(rule.reader(), node)) entries.push_back(*std::move(entry));
  }
  return by_protocol(std::move(entries));
}

std::optional<Action> read_action(Fields& rule) {
  const yaml::Node* node = rule.find("action");
  if (node == nullptr) {
    rule.missing("action", "write Accept, Deny or Pass");
    return {};
  }
  if (node->text == "Allow") {
    rule.reader().error(*node, "bad-action", "action must be Accept, Deny or Pass, found \"Allow\"", "write Accept");
    return {};
  }
  const auto index = rule.reader().word(*node, "action", "bad-action", {"Accept", "Deny", "Pass"});
  if (!index) return {};
  return static_cast<Action>(*index);
}

void check_name(Fields& rule) {
  const auto name = rule.text("name");
  if (!name || code_points(*name) <= longest_rule_name) return;
  rule.reader().error(*rule.find("name"), "name-too-long",
                      fmt::format("a rule's name has at most {} characters", longest_rule_name),
                      "choose a shorter name");
}

void read_cluster_rule(Document& document, const yaml::Node& node, Direction direction, std::vector<Rule>& rules) {
  Reader& reader = document.reader;
  Fields fields(reader, &node, "a rule");
  if (!fields.present()) return;
  const std::string_view key = direction == Direction::ingress ? "from" : "to";
  check_name(fields);
  Rule prototype;
  prototype.at = reader.location(node);
  prototype.action = read_action(fields).value_or(Action::deny);
  std::vector<EntityMatch> peers;
  for (const yaml::Node& peer : fields.items(key, most_peers)) peers.push_back(read_peer(reader, peer, direction));
  if (peers.empty()) fields.missing(key, "to mean everybody write \"- namespaces: {}\" below it");
  const std::vector<ProtocolPorts> protocols = read_protocols(fields);
  fields.hint({"ports"}, "write \"protocols\": \"- tcp: {destinationPort: {number: 80}}\"");
  fields.hint({"from", "to"},
              direction == Direction::ingress ? "an ingress rule has \"from\"" : "an egress rule has \"to\"");
  fields.done();
  append_rules(document, node, rules, prototype, direction, peers, protocols);
}

std::vector<Rule> read_cluster_rules(Document& document, Fields& spec, Direction direction) {
  std::vector<Rule> rules;
  for (const yaml::Node& node : spec.items(to_string(direction), most_rules_of_kind)) {
    read_cluster_rule(document, node, direction, rules);
  }
  return rules;
}

std::string read_tier_word(Fields& spec) {
  const yaml::Node* node = spec.find("tier");
  if (node == nullptr) {
    spec.missing("tier", "write Admin or Baseline");
    return "kube-admin";
  }
  const auto index = spec.reader().word(*node, "tier", "bad-tier", {"Admin", "Baseline"});
  return index == std::size_t{1} ? "kube-baseline" : "kube-admin";
}

}  // namespace

void read_cluster_policy(Document& document) {
  Policy policy = begin_policy(document, PolicyKind::cluster_network_policy);
  const yaml::Node* node = document.fields.find("spec");
  if (node == nullptr) document.fields.missing("spec", "write tier, priority, subject and rules below it");
  Fields spec(document.reader, node, "spec");
  policy.tier = read_tier_word(spec);
  if (spec.find("priority") == nullptr) spec.missing("priority", "write a number from 0 (first) to 1000");
  if (const auto priority = spec.integer("priority", {0, 1000})) policy.order = static_cast<double>(*priority);
  read_subject(spec, policy);
  policy.selector_text = policy.selector.canonical();
  policy.ingress = read_cluster_rules(document, spec, Direction::ingress);
  policy.egress = read_cluster_rules(document, spec, Direction::egress);
  policy.governs_ingress = !policy.ingress.empty();
  policy.governs_egress = !policy.egress.empty();
  (void)read_staged_action(spec, policy.id.kind);
  spec.hint({"order"}, "write \"priority\"");
  spec.done();
  document.draft.inventory.policies.push_back(std::move(policy));
}

}  // namespace drywall::reading
