// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/evaluate.h"

#include <algorithm>
#include <span>

#include "policy/result.h"

namespace drywall {
namespace {

bool agrees(bool holds, Sense sense) {
  return holds == (sense == Sense::is);
}

const Address& address_of(const Packet& packet, Side side) {
  return side == Side::source ? packet.source : packet.destination;
}

std::uint16_t port_of(const Packet& packet, Side side) {
  return side == Side::source ? packet.source_port : packet.destination_port;
}

bool contains(const std::vector<PortRange>& ranges, std::uint16_t port) {
  const auto above = std::ranges::upper_bound(ranges, port, {}, &PortRange::first);
  return above != ranges.begin() && std::prev(above)->last >= port;
}

bool is_member(const Plan& plan, SetIndex set, const EndpointPort& port) {
  return std::ranges::binary_search(std::get<std::vector<EndpointPort>>(plan.sets[set].members), port);
}

bool port_is_in(const Plan& plan, const PortIn& criterion, const Packet& packet) {
  if (!has_ports(packet.protocol)) return false;
  const std::uint16_t port = port_of(packet, criterion.side);
  return contains(criterion.ranges, port) ||
         (criterion.endpoint_ports &&
          is_member(plan, *criterion.endpoint_ports, {address_of(packet, criterion.side), packet.protocol, port}));
}

const PlannedRule* first_match(const Plan& plan, const PlannedPolicy& policy, const Packet& packet) {
  for (const PlannedRule& rule : policy.rules) {
    if (rule.action == Action::log) continue;
    if (std::ranges::all_of(rule.all_of,
                            [&](const Predicate& predicate) { return matches(plan, predicate, packet); })) {
      return &rule;
    }
  }
  return nullptr;
}

Verdict verdict_of(Action action) {
  return action == Action::allow ? Verdict::allow : Verdict::deny;
}

std::optional<PolicyHit> first_hit(const Plan& plan, std::span<const PolicyIndex> policies, const Packet& packet) {
  for (const PolicyIndex index : policies) {
    const PlannedPolicy& policy = plan.policies[index];
    if (const PlannedRule* rule = first_match(plan, policy, packet)) return PolicyHit{&policy, rule};
  }
  return std::nullopt;
}

Decision decided(Trace trace, const PolicyHit& hit) {
  trace.push_back(trace_entry(*hit.policy, *hit.rule));
  return {verdict_of(hit.rule->action), std::move(trace)};
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::allow:
      return "allow";
    case Verdict::deny:
      return "deny";
    case Verdict::undecided:
      return "undecided";
  }
  return "undecided";
}

bool matches(const Plan& plan, const Predicate& predicate, const Packet& packet) {
  return std::visit(
      overloaded{
          [&](const FamilyIs& p) { return packet.source.family == p.family; },
          [&](const ProtocolIs& p) { return agrees(packet.protocol == p.protocol, p.sense); },
          [&](const AddressIn& p) {
            return agrees(std::get<AddressSet>(plan.sets[p.set].members).contains(address_of(packet, p.side)), p.sense);
          },
          [&](const PortIn& p) { return agrees(port_is_in(plan, p, packet), p.sense); },
          [&](const IcmpIs& p) {
            return agrees(packet.icmp_type == p.type && (!p.code || packet.icmp_code == *p.code), p.sense);
          },
      },
      predicate);
}

Decision evaluate(const Plan& plan, const PlannedLeg& leg, const Packet& packet) {
  return evaluate(plan, leg, packet, [&](const PlannedTier& tier) { return first_hit(plan, tier.policies, packet); });
}

Decision evaluate(const Plan& plan, const PlannedLeg& leg, const Packet& packet, const TierMatcher& match) {
  Trace trace;
  for (const auto* exemption : {&leg.essentials, &leg.failsafes}) {
    if (!*exemption) continue;
    if (const auto hit = first_hit(plan, std::span(&**exemption, 1), packet)) return decided(std::move(trace), *hit);
  }
  for (const PlannedTier& tier : leg.tiers) {
    const auto hit = match(tier);
    if (hit && hit->rule->action != Action::pass) return decided(std::move(trace), *hit);
    trace.push_back(hit ? trace_entry(*hit->policy, *hit->rule) : trace_entry(plan, tier));
    if (!hit && tier.end.action == Action::deny) return {Verdict::deny, std::move(trace)};
  }
  if (const auto hit = first_hit(plan, leg.profiles, packet)) return decided(std::move(trace), *hit);
  switch (leg.ending) {
    case Ending::allow:
      return {Verdict::allow, std::move(trace)};
    case Ending::undecided:
      return {Verdict::undecided, std::move(trace)};
    case Ending::deny:
      break;
  }
  trace.push_back(no_profile_entry());
  return {Verdict::deny, std::move(trace)};
}

}  // namespace drywall
