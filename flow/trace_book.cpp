// SPDX-License-Identifier: GPL-2.0-or-later
#include "flow/trace_book.h"

#include <algorithm>
#include <map>
#include <ranges>
#include <tuple>
#include <utility>

#include "policy/essentials.h"

namespace drywall {
namespace {

constexpr std::uint32_t private_network = 0;  // numbers of the two peers that every book has
constexpr std::uint32_t public_network = 1;

constexpr std::array all_buckets{Bucket::untracked, Bucket::pre_dnat, Bucket::normal, Bucket::forward};
constexpr std::array both_directions{Direction::ingress, Direction::egress};

std::uint16_t place_key(LegPoint point, Direction direction) {
  return static_cast<std::uint16_t>(static_cast<unsigned>(point) << 8U | static_cast<unsigned>(direction));
}

LegPoint point_of(EndpointKind kind, Bucket bucket) {
  if (kind == EndpointKind::workload) return LegPoint::workload;
  switch (bucket) {
    case Bucket::untracked:
      return LegPoint::untracked;
    case Bucket::pre_dnat:
      return LegPoint::pre_dnat;
    case Bucket::normal:
      return LegPoint::host;
    case Bucket::forward:
      return LegPoint::forward;
  }
  return LegPoint::host;
}

std::string endpoint_key(const EndpointId& id) {
  return (id.kind == EndpointKind::host ? "h/" : "w/") + id.ns + "/" + id.name;
}

/// RFC 1918, fc00::/7 and link local addresses.
bool is_private(const Address& address) {
  if (address.family == Family::v6) return (address.high >> 57U) == 0x7e || (address.high >> 54U) == 0x3fa;
  return (address.low >> 24U) == 10 || (address.low >> 20U) == 0xac1 || (address.low >> 16U) == 0xc0a8 ||
         (address.low >> 16U) == 0xa9fe;
}

bool has_untracked(const PlannedEndpoint* endpoint) {
  return endpoint != nullptr &&
         std::ranges::any_of(endpoint->legs, [](const PlannedLeg& leg) { return leg.bucket == Bucket::untracked; });
}

Verdict verdict_of(Action action) {
  return action == Action::allow ? Verdict::allow : Verdict::deny;
}

}  // namespace

std::size_t TraceBook::AddressHash::operator()(const Address& address) const {
  std::uint64_t hash = address.high * 0x9e37'79b9'7f4a'7c15 ^ address.low;
  hash = (hash ^ hash >> 32U) * 0xbf58'476d'1ce4'e5b9;
  return hash ^ hash >> 29U;
}

TraceBook::TraceBook(std::uint64_t generation, std::shared_ptr<const Plan> enforced,
                     std::shared_ptr<const Plan> pending, const Inventory& inventory,
                     std::span<const Interface> interfaces)
    : generation_(generation) {
  worlds_[index_of(World::enforced)].plan = std::move(enforced);
  worlds_[index_of(World::pending)].plan = std::move(pending);
  index_world(World::enforced);
  index_world(World::pending);
  index_legs();
  peers_.push_back({FlowPeer::Type::network, "", "pvt", {}});
  peers_.push_back({FlowPeer::Type::network, "", "pub", {}});
  index_endpoint_peers(inventory);
  index_own_addresses(interfaces);
  index_network_sets(inventory);
}

void TraceBook::index_world(World world) {
  WorldIndex& index = worlds_[index_of(world)];
  for (PolicyIndex policy = 0; policy < index.plan->policies.size(); ++policy) {
    const auto& rules = index.plan->policies[policy].rules;
    for (std::uint32_t rule = 0; rule < rules.size(); ++rule) index.rules.push_back({rules[rule].id, policy, rule});
  }
  std::ranges::sort(index.rules);
  for (const PlannedEndpoint& endpoint : index.plan->endpoints) {
    for (const PlannedLeg& leg : endpoint.legs) {
      for (const PlannedTier& tier : leg.tiers) index.tier_ends.emplace(tier.end.id, &tier);
    }
  }
}

void TraceBook::index_legs() {
  std::map<EndpointId, EndpointInWorlds> endpoints;
  for (const PlannedEndpoint& endpoint : plan(World::enforced).endpoints) endpoints[endpoint.id].enforced = &endpoint;
  for (const PlannedEndpoint& endpoint : plan(World::pending).endpoints) endpoints[endpoint.id].pending = &endpoint;
  for (const auto& [id, endpoint] : endpoints) {
    for (const Bucket bucket : all_buckets) {
      for (const Direction direction : both_directions) index_leg(endpoint, bucket, direction);
    }
  }
}

void TraceBook::index_leg(const EndpointInWorlds& endpoint, Bucket bucket, Direction direction) {
  const PlannedEndpoint& known = endpoint.enforced == nullptr ? *endpoint.pending : *endpoint.enforced;
  if (!known.local) return;
  Leg leg{known.id, bucket, direction, nullptr, nullptr, false, {}, {}};
  if (endpoint.enforced != nullptr) leg.enforced = endpoint.enforced->leg(bucket, direction);
  if (endpoint.pending != nullptr) leg.pending = endpoint.pending->leg(bucket, direction);
  leg.observed = is_observed({plan(World::enforced), endpoint.enforced}, {plan(World::pending), endpoint.pending},
                             bucket, direction);
  const bool tells_of_earlier = leg.observed && bucket == Bucket::forward && direction == Direction::ingress;
  if (leg.enforced == nullptr && leg.pending == nullptr && !tells_of_earlier) return;
  if (known.id.kind == EndpointKind::host && bucket != Bucket::untracked) {
    leg.spares_errors = {has_untracked(endpoint.enforced), has_untracked(endpoint.pending)};
  }
  for (const Bucket earlier : buckets_before(bucket, direction)) {
    for (const World world : {World::enforced, World::pending}) {
      const PlannedEndpoint* in_world = world == World::enforced ? endpoint.enforced : endpoint.pending;
      const PlannedLeg* before = in_world == nullptr ? nullptr : in_world->leg(earlier, direction);
      if (before != nullptr) leg.before[index_of(world)].push_back(before);
    }
  }
  const auto number = static_cast<std::uint32_t>(legs_.size());
  legs_.push_back(std::move(leg));
  LegNames& names = legs_at_[place_key(point_of(known.id.kind, bucket), direction)];
  for (const std::string& interface : known.interfaces) {
    if (interface == "*") {
      names.any = number;
    } else {
      names.exact.emplace(interface, number);
    }
  }
  if (known.bridge.empty()) return;
  bridges_.insert(known.bridge);
  for (const Address& address : known.addresses) names.bridged.emplace(std::pair{known.bridge, address}, number);
}

void TraceBook::index_endpoint_peers(const Inventory& inventory) {
  std::unordered_map<std::string, const Labels*> labels;
  for (const WorkloadEndpoint& workload : inventory.workload_endpoints) {
    labels.emplace(endpoint_key({EndpointKind::workload, workload.ns, workload.name}), &workload.labels);
  }
  for (const HostEndpoint& host : inventory.host_endpoints) {
    labels.emplace(endpoint_key({EndpointKind::host, "", host.name}), &host.labels);
  }
  for (const EndpointKind kind : {EndpointKind::workload, EndpointKind::host}) {
    for (const PlannedEndpoint& endpoint : plan(World::enforced).endpoints) {
      if (endpoint.id.kind != kind) continue;
      const auto number = static_cast<std::uint32_t>(peers_.size());
      const auto type = kind == EndpointKind::workload ? FlowPeer::Type::workload : FlowPeer::Type::host;
      const auto known = labels.find(endpoint_key(endpoint.id));
      peers_.push_back({type, endpoint.id.ns, endpoint.id.name, known == labels.end() ? Labels{} : *known->second});
      endpoints_.emplace(endpoint_key(endpoint.id), number);
      for (const Address& address : endpoint.addresses) addresses_.emplace(address, number);
    }
  }
}

void TraceBook::index_own_addresses(std::span<const Interface> interfaces) {
  std::unordered_map<std::string_view, std::uint32_t> by_interface;
  for (const PlannedEndpoint& endpoint : plan(World::enforced).endpoints) {
    if (!endpoint.local || endpoint.id.kind != EndpointKind::host) continue;
    const auto number = peer_number(endpoint.id);
    for (const std::string& name : endpoint.interfaces) by_interface.emplace(name, *number);
  }
  for (const Interface& interface : interfaces) {
    auto owner = by_interface.find(interface.name);
    if (owner == by_interface.end()) owner = by_interface.find("*");
    if (owner == by_interface.end()) continue;
    for (const Address& address : interface.addresses) addresses_.emplace(address, owner->second);
  }
}

void TraceBook::index_network_sets(const Inventory& inventory) {
  std::vector<const NetworkSet*> sets;
  for (const NetworkSet& set : inventory.network_sets) sets.push_back(&set);
  std::ranges::sort(sets, {}, [](const NetworkSet* set) { return std::tie(set->name, set->ns); });
  for (const NetworkSet* set : sets) {
    const auto number = static_cast<std::uint32_t>(peers_.size());
    peers_.push_back({FlowPeer::Type::network_set, set->ns, set->name, set->labels});
    for (const Prefix& block : set->nets) add_block(masked(block), number);
  }
  std::ranges::sort(blocks_, std::ranges::greater{}, &BlocksOfLength::length);
}

void TraceBook::add_block(const Prefix& block, std::uint32_t peer) {
  const auto same = [&](const BlocksOfLength& blocks) {
    return blocks.family == block.base.family && blocks.length == block.length;
  };
  auto found = std::ranges::find_if(blocks_, same);
  if (found == blocks_.end()) found = blocks_.insert(found, {block.base.family, block.length, {}});
  found->peers.emplace(block.base, peer);
}

std::uint32_t TraceBook::peer_number(const Address& address) const {
  if (const auto known = addresses_.find(address); known != addresses_.end()) return known->second;
  for (const BlocksOfLength& blocks : blocks_) {
    if (blocks.family != address.family) continue;
    const auto known = blocks.peers.find(masked({address, blocks.length}).base);
    if (known != blocks.peers.end()) return known->second;
  }
  return is_private(address) ? private_network : public_network;
}

std::optional<std::uint32_t> TraceBook::peer_number(const EndpointId& endpoint) const {
  const auto known = endpoints_.find(endpoint_key(endpoint));
  return known == endpoints_.end() ? std::nullopt : std::optional{known->second};
}

std::optional<TraceEntry> TraceBook::entry(World world, Direction direction, RuleId id) const {
  const WorldIndex& index = worlds_[index_of(world)];
  if (id == no_profile_id(direction)) return no_profile_entry();
  if (const auto end = index.tier_ends.find(id); end != index.tier_ends.end()) {
    const bool fits = index.plan->policies[end->second->end.blamed].direction == direction;
    return fits ? std::optional{trace_entry(*index.plan, *end->second)} : std::nullopt;
  }
  const auto place = std::ranges::lower_bound(index.rules, id, {}, &RulePlace::id);
  if (place == index.rules.end() || place->id != id) return std::nullopt;
  const PlannedPolicy& policy = index.plan->policies[place->policy];
  if (policy.direction != direction) return std::nullopt;
  return trace_entry(policy, policy.rules[place->rule]);
}

const TraceBook::Leg* TraceBook::leg(LegPoint point, Direction direction, std::string_view interface,
                                     const Address& workload) const {
  const auto place = legs_at_.find(place_key(point, direction));
  if (place == legs_at_.end()) return nullptr;
  const LegNames& names = place->second;
  if (interface.empty() && !names.exact.empty()) return nullptr;
  const auto exact = names.exact.find(interface);
  if (exact != names.exact.end()) return &legs_[exact->second];
  if (is_bridge(interface)) {
    const auto bridged = names.bridged.find({std::string(interface), workload});
    if (bridged != names.bridged.end()) return &legs_[bridged->second];
  }
  return names.any ? &legs_[*names.any] : nullptr;
}

bool TraceBook::is_closed(std::string_view interface) const {
  const auto names_it = [&](const std::string& prefix) { return interface.starts_with(prefix); };
  if (std::ranges::none_of(plan(World::enforced).workload_prefixes, names_it)) return false;
  const auto place = legs_at_.find(place_key(LegPoint::workload, Direction::egress));
  return place == legs_at_.end() || !place->second.exact.contains(interface);
}

std::optional<TraceBook::Step> TraceBook::step(const Leg& leg, World world, std::size_t position, RuleId id,
                                               Action action) const {
  const PlannedLeg* planned = leg.in(world);
  if (id == decided_before_id(leg.direction)) {
    const bool possible = position == 0 && !leg.before[index_of(world)].empty() && action != Action::pass;
    return possible ? std::optional(Step{{}, true, verdict_of(action), false, true}) : std::nullopt;
  }
  if (planned == nullptr) return std::nullopt;
  std::optional<Step> step;
  if (position == 0) step = exempt_step(world, *planned, id);
  if (!step && position < planned->tiers.size()) step = tier_step(world, *planned, position, id);
  if (!step && position == planned->tiers.size()) step = profile_step(world, *planned, id);
  return step && step->entry.action == action ? step : std::nullopt;
}

std::optional<TraceEntry> TraceBook::rule_among(World world, std::span<const PolicyIndex> policies, RuleId id) const {
  const WorldIndex& index = worlds_[index_of(world)];
  auto place = std::ranges::lower_bound(index.rules, id, {}, &RulePlace::id);
  for (; place != index.rules.end() && place->id == id; ++place) {
    if (std::ranges::find(policies, place->policy) == policies.end()) continue;
    const PlannedPolicy& policy = index.plan->policies[place->policy];
    return trace_entry(policy, policy.rules[place->rule]);
  }
  return std::nullopt;
}

std::optional<TraceBook::Step> TraceBook::exempt_step(World world, const PlannedLeg& leg, RuleId id) const {
  for (const auto& exemption : {leg.essentials, leg.failsafes}) {
    if (!exemption) continue;
    if (auto entry = rule_among(world, {&*exemption, 1}, id)) {
      const Verdict verdict = verdict_of(entry->action);
      return Step{std::move(*entry), true, verdict, true, false};
    }
  }
  return std::nullopt;
}

std::optional<TraceBook::Step> TraceBook::tier_step(World world, const PlannedLeg& leg, std::size_t position,
                                                    RuleId id) const {
  const PlannedTier& tier = leg.tiers[position];
  auto entry = tier.end.id == id ? std::optional{trace_entry(plan(world), tier)} : rule_among(world, tier.policies, id);
  if (!entry) return std::nullopt;
  const Action action = entry->action;
  if (action != Action::pass) return Step{std::move(*entry), true, verdict_of(action), false, false};
  const bool nothing_follows = position + 1 == leg.tiers.size() && leg.profiles.empty() && leg.ending != Ending::deny;
  const Verdict verdict = leg.ending == Ending::allow ? Verdict::allow : Verdict::undecided;
  return Step{std::move(*entry), nothing_follows, nothing_follows ? verdict : Verdict::undecided, false, false};
}

std::optional<TraceBook::Step> TraceBook::profile_step(World world, const PlannedLeg& leg, RuleId id) const {
  if (leg.ending == Ending::deny && id == no_profile_id(leg.direction)) {
    return Step{no_profile_entry(), true, Verdict::deny, false, false};
  }
  auto entry = rule_among(world, leg.profiles, id);
  if (!entry) return std::nullopt;
  const Verdict verdict = verdict_of(entry->action);
  return Step{std::move(*entry), true, verdict, false, false};
}

bool TraceBook::passes_unasked(const Leg& leg, World world, const Packet& packet) {
  return leg.spares_errors[index_of(world)] && may_be_about_untracked_flow(packet);
}

Decision TraceBook::predict(const Leg& leg, World world, const Packet& packet) const {
  return predict(leg, world, packet,
                 [&](const PlannedLeg& planned, const Packet& seen) { return evaluate(plan(world), planned, seen); });
}

Decision TraceBook::predict(const Leg& leg, World world, const Packet& packet, const LegJudge& judge) const {
  if (passes_unasked(leg, world, packet)) return {Verdict::allow, {}};
  for (const PlannedLeg* before : leg.before[index_of(world)]) {
    Decision decision = judge(*before, packet);
    if (!is_exempt(decision.trace) && decision.verdict != Verdict::undecided) return {decision.verdict, {}};
  }
  if (leg.in(world) == nullptr) return {Verdict::allow, {}};
  return judge(*leg.in(world), packet);
}

Trace TraceBook::pending_twin(const Leg& leg, Trace enforced) const {
  if (leg.pending == nullptr) return enforced;
  const std::size_t tiers = std::min(enforced.size(), leg.pending->tiers.size());
  for (std::size_t position = 0; position < tiers; ++position) {
    const PlannedTier& tier = leg.pending->tiers[position];
    const TraceEntry& entry = enforced[position];
    if (entry.rule == -1 && entry.tier == tier.name && entry.kind != PolicyKind::profile) {
      enforced[position] = trace_entry(plan(World::pending), tier);
    }
  }
  return enforced;
}

}  // namespace drywall
