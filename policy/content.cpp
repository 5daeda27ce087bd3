// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/content.h"

#include <fmt/format.h>

namespace drywall {
namespace {

// Each structure is taken apart by name, so that a new field does not compile until it is decided on here.

/// Appends `key(value)` for each value that is there; every value is quoted by its length, so that no two contents can
/// have one text.
class Writer {
 public:
  void word(std::string_view key, std::string_view value) {
    text_ += fmt::format("{}({}:{})", key, value.size(), value);
  }
  void flag(std::string_view key, bool value) {
    if (value) word(key, "");
  }
  template <class Value>
  void value(std::string_view key, const std::optional<Value>& value) {
    if (value) word(key, fmt::format("{}", *value));
  }
  void value(std::string_view key, const std::optional<Selector>& value) {
    if (value) word(key, value->canonical());
  }
  void value(std::string_view key, const std::optional<Protocol>& value) {
    if (value) word(key, to_string(*value));
  }
  void nets(std::string_view key, const std::vector<Prefix>& values) {
    for (const Prefix& net : values) word(key, to_string(net));
  }
  void ports(std::string_view key, const PortList& list) {
    const auto& [ranges, names] = list;
    for (const PortRange& range : ranges) word(key, to_string(range));
    for (const std::string& name : names) word(key, name);
  }
  void icmp(std::string_view key, const std::optional<IcmpMatch>& match) {
    if (!match) return;
    const auto& [type, code] = *match;
    word(key, code ? fmt::format("{}/{}", type, *code) : fmt::format("{}", type));
  }
  void service(const std::optional<ServiceReference>& reference) {
    if (!reference) return;
    const auto& [ns, name] = *reference;
    word("service", ns + "/" + name);
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string content_of(const EntityMatch& entity) {
  const auto& [nets, not_nets, selector, not_selector, namespace_selector, accounts, account_selector, service, ports,
               not_ports] = entity;
  Writer out;
  out.nets("nets", nets);
  out.nets("notNets", not_nets);
  out.value("selector", selector);
  out.value("notSelector", not_selector);
  out.value("namespaceSelector", namespace_selector);
  for (const std::string& account : accounts) out.word("serviceAccount", account);
  out.value("serviceAccountSelector", account_selector);
  out.service(service);
  out.ports("port", ports);
  out.ports("notPort", not_ports);
  return out.take();
}

std::string content_of(const Rule& rule) {
  const auto& [action, family, protocol, not_protocol, icmp, not_icmp, source, destination, at] = rule;
  Writer out;
  out.word("action", to_string(action));
  if (family) out.word("ipVersion", *family == Family::v4 ? "4" : "6");
  out.value("protocol", protocol);
  out.value("notProtocol", not_protocol);
  out.icmp("icmp", icmp);
  out.icmp("notICMP", not_icmp);
  out.word("source", content_of(source));
  out.word("destination", content_of(destination));
  return out.take();
}

}  // namespace

std::string content_of(const Policy& policy) {
  const auto& [id, tier, order, selector, namespace_selector, account_selector, ingress, egress, untracked, pre_dnat,
               forward, ingress_rules, egress_rules, staged_action, labels, annotations, selector_text, at] = policy;
  Writer out;
  out.word("kind", model_kind(enforced_kind(id.kind)));
  out.word("namespace", id.ns);
  out.word("name", id.name);
  out.word("tier", tier);
  out.value("order", order);
  out.word("selector", selector.canonical());
  out.value("namespaceSelector", namespace_selector);
  out.value("serviceAccountSelector", account_selector);
  out.flag("ingress", ingress);
  out.flag("egress", egress);
  out.flag("doNotTrack", untracked);
  out.flag("preDNAT", pre_dnat);
  out.flag("applyOnForward", forward);
  for (const Rule& rule : ingress_rules) out.word("ingressRule", content_of(rule));
  for (const Rule& rule : egress_rules) out.word("egressRule", content_of(rule));
  if (staged_action == StagedAction::remove) out.flag("removed", true);
  return out.take();
}

}  // namespace drywall
