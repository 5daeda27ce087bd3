// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/publication.h"

#include <fmt/format.h>

#include <algorithm>

namespace drywall {
namespace {

bool is_kube_proxy(const std::set<const Program*>& programs) {
  return std::ranges::any_of(programs, [](const Program* program) { return program->word == "kube-proxy"; });
}

bool is_own(const Address& address, const std::vector<Link>& links) {
  return std::ranges::any_of(links, [&](const Link& link) {
    return std::ranges::find(link.interface.addresses, address) != link.interface.addresses.end();
  });
}

bool asks(const PlannedEndpoint& endpoint, Bucket bucket, Direction direction) {
  const PlannedLeg* const leg = endpoint.leg(bucket, direction);
  return leg != nullptr && !leg->tiers.empty();
}

/// The interface that leads to a container; empty: not known.
std::string way_to(const Address& address, const std::vector<ConnectedNetwork>& networks) {
  for (const ConnectedNetwork& network : networks) {
    if (AddressSet(std::vector{network.network}).contains(address)) return network.interface;
  }
  return {};
}

/// A policy of the workload itself, or of the interface that leads to it, is asked whatever way the packet came.
bool is_covered_behind(const Address& address, const std::string& way, const EndpointMap& endpoints) {
  const PlannedEndpoint* const owner = endpoints.owner(address);
  if (owner != nullptr && owner->id.kind == EndpointKind::workload &&
      asks(*owner, Bucket::normal, Direction::ingress)) {
    return true;
  }
  const PlannedEndpoint* const host = way.empty() ? nullptr : endpoints.host_at(way);
  return host != nullptr && asks(*host, Bucket::forward, Direction::egress);
}

/// Interfaces that strangers' packets can come in by: not loopback, not the way out, not ports, not containers' own.
bool is_way_in(const Link& link, const std::string& way) {
  const std::string& name = link.interface.name;
  return name != "lo" && name != way && link.master.empty() && program_of_interface(name) == nullptr;
}

}  // namespace

std::vector<Publication> publications(const std::vector<BaseChain>& chains, const std::vector<Link>& links) {
  std::vector<Publication> out;
  std::set<std::pair<TableName, Translation>> seen;
  for (const BaseChain& chain : chains) {
    const std::set<const Program*> programs = programs_of(chain);
    if (is_ours(chain.table) || chain.hook.hook != "prerouting" || is_kube_proxy(programs)) continue;
    for (const Translation& translation : chain.translations) {
      const bool is_new = seen.emplace(chain.table, translation).second;
      if (is_new && !is_own(translation.to, links)) out.push_back({translation, chain.table, programs});
    }
  }
  return out;
}

std::set<std::string> uncovered(const Publication& port, const EndpointMap& endpoints, const std::vector<Link>& links,
                                const std::vector<ConnectedNetwork>& networks) {
  const std::string way = way_to(port.translation.to, networks);
  std::set<std::string> open;
  if (is_covered_behind(port.translation.to, way, endpoints)) return open;
  for (const Link& link : links) {
    if (!is_way_in(link, way)) continue;
    const PlannedEndpoint* const endpoint = endpoints.host_at(link.interface.name);
    const bool asked = endpoint != nullptr && (asks(*endpoint, Bucket::pre_dnat, Direction::ingress) ||
                                               asks(*endpoint, Bucket::forward, Direction::ingress));
    if (!asked) open.insert(link.interface.name);
  }
  return open;
}

std::string to_string(const Publication& port) {
  const auto& [to, to_port, protocol, original_port] = port.translation;
  std::string text = protocol ? to_string(*protocol) + " " : std::string();
  text += original_port ? fmt::format("port {}", *original_port) : std::string("a port");
  const std::string address = to.family == Family::v4 ? to_string(to) : fmt::format("[{}]", to_string(to));
  return to_port ? fmt::format("{} to {}:{}", text, address, *to_port) : fmt::format("{} to {}", text, address);
}

}  // namespace drywall
