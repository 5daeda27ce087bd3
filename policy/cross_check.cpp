// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/cross_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/parse_profile.h"
#include "policy/spelling.h"

namespace drywall::reading {
namespace {

using Names = std::set<std::string, std::less<>>;

std::vector<std::string_view> views(const Names& names) {
  return {names.begin(), names.end()};
}

void check_tiers(const Draft& draft, Report& report) {
  const std::vector<std::string_view> known = views(draft.tiers);
  for (const Mention& tier : draft.tiers_named) {
    if (draft.tiers.count(tier.name) != 0) continue;
    const std::string meant = did_you_mean(tier.name, known);
    report.error(tier.at, "unknown-tier", fmt::format("there is no tier {}", in_quotes(tier.name)),
                 meant.empty() ? fmt::format("write a document of kind Tier with that name, or use {}", either(known))
                               : meant + " Or write a document of kind Tier with that name");
  }
}

void warn_of_namespace(const Mention& mention, Report& report) {
  report.warning(
      mention.at, "undeclared-namespace",
      fmt::format("no document declares the namespace {}: it has no labels and allows everything that no policy denies",
                  in_quotes(mention.name)),
      fmt::format("write {{apiVersion: v1, kind: Namespace, metadata: {{name: {}}}}}", mention.name));
}

/// A namespace that nobody declares exists all the same; said once for each.
void add_namespaces(Draft& draft, Report& report) {
  for (const Mention& mention : draft.namespaces_named) {
    if (!draft.namespaces.insert(mention.name).second) continue;
    if (draft.profiles.count("kns." + mention.name) != 0) continue;  // written as the profile that it is
    if (draft.complete) warn_of_namespace(mention, report);
    draft.profiles.insert("kns." + mention.name);
    draft.inventory.profiles.push_back(profile_of_namespace(mention.name, {}, {}));
  }
}

void check_profiles(const Draft& draft, Report& report) {
  Names warned;
  for (const Mention& profile : draft.profiles_named) {
    if (draft.profiles.count(profile.name) != 0 || !warned.insert(profile.name).second) continue;
    const std::string meant = did_you_mean(profile.name, views(draft.profiles));
    report.warning(
        profile.at, "undefined-profile",
        fmt::format("nobody defines the profile {}: it denies whatever no policy allows", in_quotes(profile.name)),
        meant.empty() ? "write a document of kind Profile with that name" : meant);
  }
}

/// Everything that endpoints claim, by node and by what they claim.
std::map<std::pair<std::string_view, std::string_view>, std::vector<const Claim*>> by_claim(
    const std::vector<Claim>& claims) {
  std::map<std::pair<std::string_view, std::string_view>, std::vector<const Claim*>> out;
  for (const Claim& claim : claims) {
    if (claim.node.empty()) continue;
    if (!claim.interface_name.empty()) out[{claim.node, claim.interface_name}].push_back(&claim);
    for (const std::string& address : claim.addresses) out[{claim.node, address}].push_back(&claim);
  }
  return out;
}

std::string describe(std::string_view what) {
  return what == "*" ? "all interfaces" : std::string(what);
}

/// Of several host endpoints of one interface the one with the smallest name governs it, as in Calico.
void check_host_claims(const Draft& draft, Report& report) {
  for (auto& [key, claims] : by_claim(draft.host_claims)) {
    const auto smaller = [](const Claim* a, const Claim* b) { return a->endpoint < b->endpoint; };
    const Claim* winner = *std::min_element(claims.begin(), claims.end(), smaller);
    for (const Claim* claim : claims) {
      if (claim->endpoint == winner->endpoint) continue;
      report.warning(claim->at, "shared-interface",
                     fmt::format("HostEndpoint {} does not govern {} of node {}: {} does ({}), its name is smaller",
                                 in_quotes(claim->endpoint), describe(key.second), key.first,
                                 in_quotes(winner->endpoint), to_string(report.location(winner->at))),
                     "leave one of the two out, or give them different interfaces");
    }
  }
}

/// An interface leads to one workload.
void check_workload_claims(const Draft& draft, Report& report) {
  for (auto& [key, claims] : by_claim(draft.workload_claims)) {
    for (const Claim* claim : claims) {
      if (claim == claims.front() || claim->endpoint == claims.front()->endpoint) continue;
      report.error(
          claim->at, "shared-interface",
          fmt::format("the interface {} of node {} already belongs to WorkloadEndpoint {} ({})", key.second, key.first,
                      in_quotes(claims.front()->endpoint), to_string(report.location(claims.front()->at))),
          "write the interface that leads to this workload");
    }
  }
}

bool all_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Names declared_ports(const Inventory& inventory) {
  Names names;
  for (const HostEndpoint& host : inventory.host_endpoints) {
    for (const NamedPort& port : host.ports) names.insert(port.name);
  }
  for (const WorkloadEndpoint& workload : inventory.workload_endpoints) {
    for (const NamedPort& port : workload.ports) names.insert(port.name);
  }
  return names;
}

/// "8080" in quotes, in a rule without protocol, is a port's name only if an endpoint has a port of that name.
void check_numeric_port_names(const Draft& draft, Report& report) {
  const Names declared = declared_ports(draft.inventory);
  const auto check = [&](const Rule& rule, const PortList& ports) {
    for (const std::string& name : ports.names) {
      if (!all_digits(name) || declared.count(name) != 0) continue;
      report.error(
          report.place(rule.at), "ports-without-protocol",
          fmt::format("port {} of this rule needs a protocol: no endpoint has a port of that name", in_quotes(name)),
          "write \"protocol: TCP\", UDP or SCTP in the same rule");
    }
  };
  for (const Policy& policy : draft.inventory.policies) {
    if (policy.id.kind == PolicyKind::kubernetes_network_policy || policy.id.kind == PolicyKind::cluster_network_policy)
      continue;
    for (const auto* rules : {&policy.ingress, &policy.egress}) {
      for (const Rule& rule : *rules) {
        for (const EntityMatch* side : {&rule.source, &rule.destination}) {
          check(rule, side->ports);
          check(rule, side->not_ports);
        }
      }
    }
  }
}

constexpr auto by_name = [](const auto& a, const auto& b) {
  if constexpr (requires { a.ns; }) {
    return std::tie(a.ns, a.name) < std::tie(b.ns, b.name);
  } else {
    return a.name < b.name;
  }
};

template <class Item>
void sort_by_name(std::vector<Item>& items) {
  std::sort(items.begin(), items.end(), by_name);
}

void sort_inventory(Inventory& inventory) {
  inventory.policies.sort([](const Policy& a, const Policy& b) { return a.id < b.id; });
  sort_by_name(inventory.tiers);
  sort_by_name(inventory.host_endpoints);
  sort_by_name(inventory.workload_endpoints);
  inventory.network_sets.sort(by_name);
  sort_by_name(inventory.profiles);
  sort_by_name(inventory.services);
}

}  // namespace

void cross_check(Draft& draft, Report& report) {
  if (draft.complete) check_tiers(draft, report);
  add_namespaces(draft, report);
  if (draft.complete) check_profiles(draft, report);
  if (draft.complete) check_numeric_port_names(draft, report);
  check_host_claims(draft, report);
  check_workload_claims(draft, report);
  sort_inventory(draft.inventory);
}

}  // namespace drywall::reading
