// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/essentials.h"

#include <algorithm>
#include <array>

#include "policy/compile.h"
#include "policy/rule_tag.h"

namespace drywall {
namespace {

// MLD 130 to 132, router and neighbour discovery 133 to 136, MLDv2 143 (RFC 2710, 4861, 3810).
constexpr std::array<std::uint8_t, 8> discovery_types{130, 131, 132, 133, 134, 135, 136, 143};

// Destination unreachable, time exceeded, parameter problem; of IPv6 also packet too big (RFC 792, 4443).
constexpr std::array<std::uint8_t, 3> icmp_errors{3, 11, 12};
constexpr std::array<std::uint8_t, 4> icmpv6_errors{1, 2, 3, 4};

// BGP, etcd, Typha and the Kubernetes API server: open in both directions by Calico's defaults.
constexpr std::array<std::uint16_t, 7> cluster_ports{179, 2379, 2380, 5473, 6443, 6666, 6667};

void add_rule(PlannedPolicy& policy, std::vector<Predicate> all_of) {
  const auto index = static_cast<std::int32_t>(policy.rules.size());
  policy.rules.push_back({Action::allow, index, rule_id(policy.id, policy.direction, index), std::move(all_of), {}});
}

std::vector<Predicate> udp_between(Family family, std::uint16_t source, std::uint16_t destination) {
  return {FamilyIs{family}, ProtocolIs{protocol::udp}, PortIn{Side::source, {{source, source}}, std::nullopt},
          PortIn{Side::destination, {{destination, destination}}, std::nullopt}};
}

/// One rule an entry: its port on `port_side`, its net on the peer's side.
void add_ports(PlannedPolicy& policy, const std::vector<FailsafePort>& ports, Side port_side, Side peer,
               const std::function<SetIndex(const Prefix&)>& net_set) {
  for (const FailsafePort& failsafe : ports) {
    std::vector<Predicate> all_of{ProtocolIs{failsafe.protocol},
                                  PortIn{port_side, {{failsafe.port, failsafe.port}}, std::nullopt}};
    if (failsafe.net) {
      all_of.insert(all_of.begin(), FamilyIs{failsafe.net->base.family});
      all_of.push_back(AddressIn{peer, net_set(*failsafe.net)});
    }
    add_rule(policy, std::move(all_of));
  }
}

FailsafePort everywhere(Protocol protocol, std::uint16_t port) {
  return {protocol, port, std::nullopt};
}

}  // namespace

PlannedPolicy essentials(Direction direction) {
  PlannedPolicy policy{{PolicyKind::essential, "", "essentials"}, "", direction, {}, {}};
  for (const std::uint8_t type : discovery_types) {
    add_rule(policy, {FamilyIs{Family::v6}, ProtocolIs{protocol::icmpv6}, IcmpIs{type, std::nullopt}});
  }
  add_rule(policy, {FamilyIs{Family::v4}, ProtocolIs{protocol::igmp}});
  const bool inbound = direction == Direction::ingress;
  add_rule(policy, inbound ? udp_between(Family::v4, 67, 68) : udp_between(Family::v4, 68, 67));
  add_rule(policy, inbound ? udp_between(Family::v6, 547, 546) : udp_between(Family::v6, 546, 547));
  return policy;
}

PlannedPolicy untracked_essentials(Direction direction) {
  PlannedPolicy policy = essentials(direction);
  for (const std::uint8_t type : icmp_errors)
    add_rule(policy, {FamilyIs{Family::v4}, ProtocolIs{protocol::icmp}, IcmpIs{type, std::nullopt}});
  for (const std::uint8_t type : icmpv6_errors)
    add_rule(policy, {FamilyIs{Family::v6}, ProtocolIs{protocol::icmpv6}, IcmpIs{type, std::nullopt}});
  return policy;
}

bool may_be_about_untracked_flow(const Packet& packet) {
  const auto is_one_of = [&](const auto& types) { return std::ranges::find(types, packet.icmp_type) != types.end(); };
  if (packet.source.family == Family::v4) return packet.protocol == protocol::icmp && is_one_of(icmp_errors);
  return packet.protocol == protocol::icmpv6 && is_one_of(icmpv6_errors);
}

PlannedPolicy failsafes(Direction direction, const std::vector<FailsafePort>& ports,
                        const std::function<SetIndex(const Prefix&)>& net_set) {
  const bool inbound = direction == Direction::ingress;
  PlannedPolicy policy{
      {PolicyKind::failsafe, "", inbound ? "failsafe-inbound" : "failsafe-outbound"}, "", direction, {}, {}};
  add_ports(policy, ports, Side::destination, inbound ? Side::source : Side::destination, net_set);
  return policy;
}

PlannedPolicy untracked_failsafes(Direction direction, const std::vector<FailsafePort>& ports,
                                  const std::vector<FailsafePort>& answered,
                                  const std::function<SetIndex(const Prefix&)>& net_set) {
  PlannedPolicy policy = failsafes(direction, ports, net_set);
  add_ports(policy, answered, Side::source, direction == Direction::ingress ? Side::source : Side::destination,
            net_set);
  return policy;
}

std::vector<FailsafePort> default_failsafe_inbound() {
  std::vector<FailsafePort> ports{everywhere(protocol::tcp, 22), everywhere(protocol::udp, 68)};
  for (const std::uint16_t port : cluster_ports) ports.push_back(everywhere(protocol::tcp, port));
  return ports;
}

std::vector<FailsafePort> default_failsafe_outbound() {
  std::vector<FailsafePort> ports{everywhere(protocol::udp, 53), everywhere(protocol::udp, 67)};
  for (const std::uint16_t port : cluster_ports) ports.push_back(everywhere(protocol::tcp, port));
  return ports;
}

}  // namespace drywall
