// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/parse_entity.h"

#include <fmt/format.h>

#include "policy/parse_metadata.h"
#include "policy/parse_net.h"
#include "policy/parse_port.h"
#include "policy/spelling.h"

namespace drywall::reading {
namespace {

constexpr std::size_t most_nets = 256;
constexpr std::size_t most_ports = 50;
constexpr std::size_t most_accounts = 1024;

std::vector<Prefix> read_nets(Fields& entity, std::string_view key) {
  std::vector<Prefix> nets;
  for (const yaml::Node& node : entity.items(key, most_nets)) {
    if (const auto net = read_net(entity.reader(), node, NetForm::masked)) nets.push_back(*net);
  }
  return nets;
}

PortList read_ports(Fields& entity, std::string_view key) {
  PortList ports;
  for (const yaml::Node& node : entity.items(key, most_ports)) {
    if (auto port = read_port(entity.reader(), node)) append(ports, *std::move(port));
  }
  return ports;
}

/// A selector among endpoints, which global() cannot be part of.
std::optional<Selector> read_plain_selector(Fields& entity, std::string_view key) {
  auto selector = entity.selector(key);
  if (!selector || !selector->mentions_global()) return selector;
  entity.reader().error(*entity.find(key), "global-not-allowed", fmt::format("{} cannot contain global()", key),
                        "write \"namespaceSelector: global()\" beside it");
  return {};
}

std::optional<Selector> read_namespace_selector(Fields& entity) {
  auto selector = entity.selector("namespaceSelector");
  if (!selector || !selector->mentions_global() || selector->is_global()) return selector;
  entity.reader().error(*entity.find("namespaceSelector"), "global-not-allowed",
                        "global() cannot be combined with other selectors",
                        "write \"namespaceSelector: global()\" alone, and a second rule for the rest");
  return {};
}

void read_service_accounts(Fields& entity, EntityMatch& out) {
  Fields fields(entity.reader(), entity.find("serviceAccounts"), "serviceAccounts");
  for (const yaml::Node& node : fields.items("names", most_accounts)) {
    std::string name = read_reference(entity.reader(), node, "a service account");
    if (!name.empty()) out.service_account_names.push_back(std::move(name));
  }
  out.service_account_selector = read_plain_selector(fields, "selector");
  fields.done();
}

/// A list or text that is written and not empty.
bool is_set(const yaml::Node* node) {
  return node != nullptr && (node->type != yaml::Type::scalar || !node->text.empty()) &&
         (node->type != yaml::Type::sequence || !node->items.empty());
}

void check_beside_services(Fields& entity) {
  for (const std::string_view key : {"selector", "notSelector", "namespaceSelector", "nets", "notNets"}) {
    const yaml::Node* node = entity.find(key);
    if (!is_set(node)) continue;
    entity.reader().error(*node, "services-exclude-others", fmt::format("{} cannot stand beside services", key),
                          "write two rules");
  }
  if (entity.find("serviceAccounts") != nullptr) {
    entity.reader().error(entity.key("serviceAccounts"), "services-exclude-others",
                          "serviceAccounts cannot stand beside services", "write two rules");
  }
}

/// Services are what a rule leads to: the source of ingress, the destination of egress.
void check_service_place(Fields& entity, EntityPlace place) {
  Reader& reader = entity.reader();
  const bool ingress = place.direction == Direction::ingress;
  if ((place.side == Side::source) != ingress) {
    reader.error(
        entity.key("services"), "services-misplaced",
        fmt::format("services cannot stand in the {} of an {} rule", entity.where(), to_string(place.direction)),
        ingress ? "write them under \"source:\", or use selector and ports" : "write them under \"destination:\"");
  }
  if (place.side == Side::source) return;
  for (const std::string_view key : {"ports", "notPorts"}) {
    const yaml::Node* ports = entity.find(key);
    if (!is_set(ports)) continue;
    reader.error(*ports, "services-with-ports", fmt::format("{} cannot stand beside services", key),
                 "leave the ports out: a service has ports of its own");
  }
}

std::optional<ServiceReference> read_service(Fields& entity, EntityPlace place) {
  const yaml::Node* node = entity.find("services");
  if (node == nullptr) return {};
  Fields fields(entity.reader(), node, "services");
  check_beside_services(entity);
  check_service_place(entity, place);
  ServiceReference reference;
  if (fields.text("name")) reference.name = read_reference(entity.reader(), *fields.find("name"), "a service");
  if (fields.text("namespace"))
    reference.ns = read_reference(entity.reader(), *fields.find("namespace"), "a namespace");
  if (!fields.text("name")) fields.missing("name", "write the service's name");
  if (place.owner != RuleOwner::namespaced_policy && !fields.text("namespace")) {
    fields.missing("namespace", "a global policy belongs to no namespace: write the service's");
  }
  fields.done();
  return reference;
}

}  // namespace

EntityMatch read_entity(Fields& rule, EntityPlace place) {
  const std::string_view key = place.side == Side::source ? "source" : "destination";
  EntityMatch out;
  Fields entity(rule.reader(), rule.find(key), key);
  if (!entity.present()) return out;
  out.nets = read_nets(entity, "nets");
  out.not_nets = read_nets(entity, "notNets");
  out.selector = read_plain_selector(entity, "selector");
  out.not_selector = read_plain_selector(entity, "notSelector");
  out.namespace_selector = read_namespace_selector(entity);
  read_service_accounts(entity, out);
  out.ports = read_ports(entity, "ports");
  out.not_ports = read_ports(entity, "notPorts");
  out.service = read_service(entity, place);
  entity.hint({"podSelector"}, "in a Calico policy write \"selector: role == 'db'\"");
  entity.hint({"ipBlock", "cidr", "ip", "ips"}, "write \"nets: [10.0.0.0/8]\"");
  entity.hint({"protocol"}, "\"protocol\" stands beside source and destination, not in them: indent it less");
  entity.hint({"service"}, "did you mean \"services\"?");
  entity.hint({"port"}, "write \"ports: [80]\"");
  entity.done();
  return out;
}

}  // namespace drywall::reading
