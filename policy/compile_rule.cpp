// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/compile_rule.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "policy/rule_tag.h"
#include "policy/scoped_selector.h"

namespace drywall {
namespace {

const EntityMatch& entity(const Rule& rule, Side side) {
  return side == Side::source ? rule.source : rule.destination;
}

/// A rule with an ICMP criterion matches only ICMP packets. Where the protocol does not say which ICMP, both are meant,
/// each in its own family.
struct IcmpFlavour {
  Family family;
  Protocol protocol;
};
constexpr std::array icmp_flavours{IcmpFlavour{Family::v4, protocol::icmp}, IcmpFlavour{Family::v6, protocol::icmpv6}};

std::vector<Rule> one_for_each_icmp(const Rule& rule) {
  if ((!rule.icmp && !rule.not_icmp) || rule.protocol) return {rule};
  std::vector<Rule> rules;
  for (const IcmpFlavour& flavour : icmp_flavours) {
    if (rule.family && *rule.family != flavour.family) continue;
    rules.push_back(rule);
    rules.back().family = flavour.family;
    rules.back().protocol = flavour.protocol;
  }
  return rules;
}

bool never_matches(const Rule& rule) {
  return (rule.icmp || rule.not_icmp) && rule.protocol && !is_icmp(*rule.protocol);
}

std::string prefixes_text(const std::vector<Prefix>& nets) {
  std::vector<std::string> texts;
  texts.reserve(nets.size());
  for (const Prefix& net : nets) texts.push_back(to_string(net));
  std::ranges::sort(texts);
  return fmt::format("{}", fmt::join(texts, ","));
}

void add_header_criteria(std::vector<Predicate>& all_of, const Rule& rule) {
  if (rule.family) all_of.push_back(FamilyIs{*rule.family});
  if (rule.protocol) all_of.push_back(ProtocolIs{*rule.protocol});
  if (rule.not_protocol) all_of.push_back(ProtocolIs{*rule.not_protocol, Sense::is_not});
}

void add_icmp_criteria(std::vector<Predicate>& all_of, const Rule& rule) {
  if (rule.icmp) all_of.push_back(IcmpIs{rule.icmp->type, rule.icmp->code});
  if (rule.not_icmp) all_of.push_back(IcmpIs{rule.not_icmp->type, rule.not_icmp->code, Sense::is_not});
}

const Service* service(const Inventory& inventory, std::string_view ns, std::string_view name) {
  const auto found = std::ranges::find_if(
      inventory.services, [&](const Service& service) { return service.ns == ns && service.name == name; });
  return found == inventory.services.end() ? nullptr : &*found;
}

std::vector<EndpointPort> endpoints_of(const Inventory& inventory, std::string_view ns, std::string_view name) {
  const Service* known = service(inventory, ns, name);
  std::vector<EndpointPort> endpoints = known == nullptr ? std::vector<EndpointPort>{} : known->endpoints;
  std::ranges::sort(endpoints);
  endpoints.erase(std::unique(endpoints.begin(), endpoints.end()), endpoints.end());
  return endpoints;
}

AddressSet addresses_of(const Inventory& inventory, std::string_view ns, std::string_view name) {
  std::vector<AddressRange> ranges;
  if (const Service* known = service(inventory, ns, name)) {
    for (const Address& address : known->addresses) ranges.push_back({address, address});
  }
  return AddressSet(std::move(ranges));
}

}  // namespace

PlannedPolicy RuleCompiler::compile(const Policy& policy, Direction direction) {
  PlannedPolicy planned{policy.id, policy.tier, direction, {}, policy.at};
  append(planned, direction == Direction::ingress ? policy.ingress : policy.egress, policy.id.ns);
  return planned;
}

PlannedPolicy RuleCompiler::compile(const Profile& profile, Direction direction) {
  PlannedPolicy planned{{PolicyKind::profile, "", profile.name}, "", direction, {}, profile.at};
  append(planned, direction == Direction::ingress ? profile.ingress : profile.egress, "");
  return planned;
}

void RuleCompiler::append(PlannedPolicy& into, const std::vector<Rule>& rules, std::string_view ns) {
  for (std::size_t position = 0; position < rules.size(); ++position) {
    for (const Rule& rule : one_for_each_icmp(rules[position])) {
      if (never_matches(rule)) continue;
      const auto index = static_cast<std::int32_t>(position);
      PlannedRule planned{rule.action, index, rule_id(into.id, into.direction, index), {}, rule.at};
      add_header_criteria(planned.all_of, rule);
      const Scope scope{ns, rule};
      add_side(planned.all_of, scope, Side::source);
      add_side(planned.all_of, scope, Side::destination);
      add_icmp_criteria(planned.all_of, rule);
      into.rules.push_back(std::move(planned));
    }
  }
}

void RuleCompiler::add_side(std::vector<Predicate>& all_of, const Scope& scope, Side side) {
  const EntityMatch& match = entity(scope.rule, side);
  if (!match.nets.empty()) all_of.push_back(AddressIn{side, address_set(match.nets)});
  if (!match.not_nets.empty()) all_of.push_back(AddressIn{side, address_set(match.not_nets), Sense::is_not});
  const std::optional<Selector> peers = selected_peers(match, scope.ns);
  // A named port's set holds only the peers' addresses already.
  const bool only_named_ports = match.ports.ranges.empty() && !match.ports.names.empty();
  if (peers && !only_named_ports) all_of.push_back(AddressIn{side, selector_set(*peers)});
  if (!peers && match.not_selector) all_of.push_back(AddressIn{side, selector_set(*match.not_selector), Sense::is_not});
  if (match.service) add_service(all_of, scope, side, *match.service);
  add_ports(all_of, scope, side, match.ports, Sense::is);
  add_ports(all_of, scope, side, match.not_ports, Sense::is_not);
}

void RuleCompiler::add_ports(std::vector<Predicate>& all_of, const Scope& scope, Side side, const PortList& ports,
                             Sense sense) {
  if (ports.empty()) return;
  PortIn criterion{side, merged(ports.ranges), std::nullopt, sense};
  if (!ports.names.empty()) {
    std::vector<std::string> names = ports.names;
    std::ranges::sort(names);
    const Selector peers = selected_peers(entity(scope.rule, side), scope.ns).value_or(Selector::all());
    const std::optional<Protocol> protocol = scope.rule.protocol;
    const std::string definition = fmt::format("ports {}/{} of {}", fmt::join(names, ","),
                                               protocol ? to_string(*protocol) : "any", peers.canonical());
    criterion.endpoint_ports =
        set(definition, [names, protocol, peers](const auto& of) { return of.labels.ports(names, protocol, peers); });
  }
  all_of.push_back(std::move(criterion));
}

/// A destination is one of the service's endpoints, address and port; a source only one of their addresses. A service
/// that nobody declares has none.
void RuleCompiler::add_service(std::vector<Predicate>& all_of, const Scope& scope, Side side,
                               const ServiceReference& reference) {
  const std::string ns = reference.ns.empty() ? std::string(scope.ns) : reference.ns;
  const std::string& name = reference.name;
  const std::string definition = fmt::format("service {}/{}", ns, name);
  if (side == Side::destination) {
    const auto endpoints = [ns, name](const CompileMemo::Population& of) {
      return endpoints_of(of.inventory, ns, name);
    };
    all_of.push_back(PortIn{side, {}, set(definition, endpoints)});
    return;
  }
  const auto addresses = [ns, name](const CompileMemo::Population& of) { return addresses_of(of.inventory, ns, name); };
  all_of.push_back(AddressIn{side, set("addresses of " + definition, addresses)});
}

SetIndex RuleCompiler::address_set(const std::vector<Prefix>& nets) {
  return set("nets " + prefixes_text(nets), [nets](const auto&) { return AddressSet(nets); });
}

SetIndex RuleCompiler::selector_set(const Selector& selector) {
  return set("selector " + selector.canonical(), [selector](const auto& of) { return of.labels.addresses(selector); });
}

SetIndex RuleCompiler::set(const std::string& definition, const CompileMemo::MakeMembers& make) {
  CompileMemo::KnownSet& known = memo_.set(definition, make);
  if (std::ranges::find(sets_, &known) == sets_.end()) sets_.push_back(&known);
  return known.index;
}

}  // namespace drywall
