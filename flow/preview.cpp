// SPDX-License-Identifier: GPL-2.0-or-later
#include "flow/preview.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "flow/trace_book.h"
#include "policy/classifier.h"

namespace drywall {
namespace {

constexpr std::chrono::minutes untracked_memory{1};

using RuleKey = std::tuple<PolicyId, Direction, std::int32_t>;

PolicyId policy_of(const TraceEntry& entry) {
  return {entry.kind, entry.ns, entry.name};
}

Verdict verdict_of(const Decision& decision) {
  return decision.verdict == Verdict::deny ? Verdict::deny : Verdict::allow;
}

/// Who had the last word; nothing if no policy was asked.
std::optional<TraceEntry> decider_of(const Trace& trace) {
  return trace.empty() ? std::nullopt : std::optional(trace.back());
}

std::vector<LocalAddress> local_addresses(const Host& host) {
  std::vector<LocalAddress> out;
  for (const Interface& interface : host.interfaces) {
    for (const Address& address : interface.addresses) out.push_back({address, interface.name});
  }
  return out;
}

Inventory with_only(const Inventory& inventory, std::span<const PolicyId> staged) {
  Inventory out = inventory;
  for (std::size_t i = 0; i < out.policies.size(); ++i) {
    const PolicyId& id = out.policies[i].id;
    if (!is_staged(id.kind) || std::ranges::find(staged, id) != staged.end()) continue;
    out.policies.edit(i, [](Policy& policy) { policy.staged_action = StagedAction::ignore; });
  }
  return out;
}

Inventory without(const Inventory& inventory, const PolicyId& policy) {
  Inventory out = inventory;
  out.policies = {};
  for (const auto& other : inventory.policies.elements()) {
    if (other->id != policy) out.policies.push_back(other);
  }
  return out;
}

/// The world after the promotion.
std::shared_ptr<const Plan> promoted_plan(const PreviewQuestion& question) {
  std::vector<PolicyId> all = promotable(question.inventory);
  std::vector<PolicyId> some = question.policies;
  std::ranges::sort(all);
  std::ranges::sort(some);
  if (all == some) return question.pending;
  return std::make_shared<const Plan>(
      compile(with_only(question.inventory, question.policies), question.host, World::pending));
}

/// Today's world and the one after the promotion, side by side; and who is who.
class Worlds {
 public:
  Worlds(const PreviewQuestion& question, std::shared_ptr<const Plan> promoted)
      : promoted_(std::move(promoted)),
        is_joint_(promoted_ == question.pending),
        book_(0, question.enforced, promoted_, question.inventory, question.host.interfaces),
        addresses_(local_addresses(question.host)),
        classifiers_{Classifier(*question.enforced), Classifier(*promoted_)},
        maps_{EndpointMap(*question.enforced, addresses_), EndpointMap(*promoted_, addresses_)} {
    for (const TraceBook::Leg& leg : book_.legs()) legs_[{leg.endpoint, leg.bucket, leg.direction}] = &leg;
  }

  [[nodiscard]] const TraceBook& book() const { return book_; }
  /// True if everything that is staged would be promoted: the world that the kernel tells of.
  [[nodiscard]] bool is_joint() const { return is_joint_; }
  [[nodiscard]] const TraceBook::Leg* leg(const LegIdentity& leg) const {
    const auto found = legs_.find({leg.endpoint, leg.bucket, leg.direction});
    return found == legs_.end() ? nullptr : found->second;
  }
  [[nodiscard]] Decision decide(World world, const TraceBook::Leg& leg, const Packet& packet) {
    return book_.predict(leg, world, packet, [&](const PlannedLeg& planned, const Packet& seen) {
      return classifiers_[index_of(world)].evaluate(planned, seen);
    });
  }
  [[nodiscard]] std::vector<JudgedLeg> judge_way(World world, const Passage& passage) {
    return judge(maps_[index_of(world)], classifiers_[index_of(world)], passage);
  }
  [[nodiscard]] bool is_own(const Address& address) const {
    return std::ranges::any_of(addresses_, [&](const LocalAddress& own) { return own.address == address; });
  }

 private:
  [[nodiscard]] static std::size_t index_of(World world) { return world == World::enforced ? 0 : 1; }

  std::shared_ptr<const Plan> promoted_;
  bool is_joint_;
  TraceBook book_;
  std::vector<LocalAddress> addresses_;
  std::array<Classifier, 2> classifiers_;
  std::array<EndpointMap, 2> maps_;
  std::map<std::tuple<EndpointId, Bucket, Direction>, const TraceBook::Leg*> legs_;
};

/// Who sends and who receives; the endpoint itself is known even if its address is in no file.
struct Peers {
  FlowPeer source;
  FlowPeer destination;
};
Peers peers_of(const TraceBook& book, const LegIdentity& leg, const Packet& packet) {
  Peers peers{book.peer(packet.source), book.peer(packet.destination)};
  const auto self = book.peer_number(leg.endpoint);
  if (leg.bucket != Bucket::normal || !self) return peers;
  FlowPeer& own = leg.direction == Direction::egress ? peers.source : peers.destination;
  if (own.type != FlowPeer::Type::workload && own.type != FlowPeer::Type::host) own = book.numbered_peer(*self);
  return peers;
}

/// Traffic put together by what it is.
class Groups {
 public:
  ChangedTraffic& group(const Peers& peers, const LegIdentity& leg, const Packet& packet, Verdict would,
                        const std::optional<TraceEntry>& decider) {
    const auto peer_key = [](const FlowPeer& peer) { return std::tuple(peer.type, peer.ns, peer.name); };
    const int icmp_type = is_icmp(packet.protocol) ? packet.icmp_type : -1;
    const auto decider_key =
        decider ? std::optional(RuleKey{policy_of(*decider), leg.direction, decider->rule}) : std::nullopt;
    ChangedTraffic& group = groups_[{leg.direction, leg.bucket, peer_key(peers.source), peer_key(peers.destination),
                                     packet.destination_port, packet.protocol, icmp_type, would, decider_key}];
    group.reporter = leg.direction == Direction::egress ? Reporter::source : Reporter::destination;
    group.bucket = leg.bucket;
    group.source = peers.source;
    group.destination = peers.destination;
    group.port = packet.destination_port;
    group.protocol = packet.protocol;
    if (icmp_type >= 0) group.icmp_type = packet.icmp_type;
    group.would = would;
    group.decider = decider;
    add_to_sample(group.source_addresses, packet.source);
    add_to_sample(group.destination_addresses, packet.destination);
    return group;
  }

  void add(const TraceBook& book, const Encounter& encounter, Timestamp since, const Decision& decision) {
    ChangedTraffic& traffic = group(peers_of(book, encounter.leg, encounter.packet), encounter.leg, encounter.packet,
                                    verdict_of(decision), decider_of(decision.trace));
    for (const EpochTally::Part& part : encounter.connections.parts()) {
      Tally& tally = part.epoch >= since ? traffic.flows : traffic.earlier;
      tally.add(part.tally.count, part.tally.first, part.tally.last);
    }
  }

  [[nodiscard]] std::vector<ChangedTraffic> take(Verdict would) const {
    std::vector<ChangedTraffic> out;
    for (const auto& [key, group] : groups_) {
      if (group.would == would) out.push_back(group);
    }
    std::ranges::stable_sort(out, std::ranges::greater{},
                             [](const ChangedTraffic& group) { return group.flows.count; });
    return out;
  }

 private:
  using PeerKey = std::tuple<FlowPeer::Type, std::string, std::string>;
  using Key =
      std::tuple<Direction, Bucket, PeerKey, PeerKey, std::uint16_t, Protocol, int, Verdict, std::optional<RuleKey>>;
  std::map<Key, ChangedTraffic> groups_;
};

bool names_one_of(const PlannedLeg* leg, const Plan& plan, const std::set<PolicyId>& policies) {
  if (leg == nullptr) return false;
  return std::ranges::any_of(leg->tiers, [&](const PlannedTier& tier) {
    return std::ranges::any_of(tier.policies,
                               [&](PolicyIndex policy) { return policies.contains(plan.policies[policy].id); });
  });
}

/// The chosen policies, and the enforced ones that they replace or remove: a leg with one of these is theirs.
std::set<PolicyId> with_twins(std::span<const PolicyId> policies) {
  std::set<PolicyId> out;
  for (const PolicyId& id : policies) {
    out.insert(id);
    out.insert({enforced_kind(id.kind), id.ns, id.name});
  }
  return out;
}

/// Walks over what was seen and asks both worlds of each.
class Replay {
 public:
  Replay(const PreviewQuestion& question, Worlds& worlds)
      : question_(question), worlds_(worlds), chosen_(with_twins(question.policies)) {}

  void see(const Encounter& encounter) {
    const TraceBook::Leg* leg = worlds_.leg(encounter.leg);
    if (leg == nullptr) return;  // its endpoint is gone
    const Decision now = worlds_.decide(World::enforced, *leg, encounter.packet);
    const Decision then = worlds_.decide(World::pending, *leg, encounter.packet);
    const Tally since = encounter.connections.since(question_.since);
    for (const TraceEntry& entry : then.trace) {
      if (since.count > 0) hits_.insert({policy_of(entry), encounter.leg.direction, entry.rule});
    }
    const TraceBook& book = worlds_.book();
    const bool is_governed = names_one_of(leg->enforced, book.plan(World::enforced), chosen_) ||
                             names_one_of(leg->pending, book.plan(World::pending), chosen_);
    if (is_governed) flows_ += since.count;
    compare(encounter, *leg, now, then);
    if (verdict_of(now) == verdict_of(then)) return;
    // Where an earlier bucket decides it is that bucket's leg that tells, once and with the reason.
    if (then.trace.empty() && then.verdict == Verdict::deny) return;
    changed_.add(book, encounter, question_.since, then);
    if (encounter.leg.bucket != Bucket::untracked || now.trace.empty()) return;
    const auto parts = encounter.connections.parts();
    if (parts.empty() || question_.now - parts.back().tally.last > untracked_memory) return;
    LiveConnection connection;
    connection.passage.packet = encounter.packet;
    connection.is_one_way = true;
    connection.is_tracked = false;
    untracked_.push_back({std::move(connection), verdict_of(then), false, decider_of(then.trace)});
  }

  /// Packets that untracked policy keeps from connection tracking meet every change at once.
  [[nodiscard]] const std::vector<ChangedConnection>& untracked() const { return untracked_; }
  [[nodiscard]] std::uint64_t disagreements() const { return disagreements_; }
  [[nodiscard]] std::uint64_t flows() const { return flows_; }
  [[nodiscard]] const Groups& changed() const { return changed_; }
  [[nodiscard]] bool was_hit(const PolicyId& policy, Direction direction, std::int32_t rule) const {
    return hits_.contains({policy, direction, rule});
  }

 private:
  /// What the kernel said of it, against what the evaluator says. Behind an earlier bucket the packet may have had
  /// another destination than the leg saw: not comparable.
  void compare(const Encounter& encounter, const TraceBook::Leg& leg, const Decision& now, const Decision& then) {
    const auto parts = encounter.connections.parts();
    const bool is_of_these_rules = !parts.empty() && parts.back().tally.last >= question_.in_force_since;
    if (!is_of_these_rules || !leg.before[0].empty() || !leg.before[1].empty()) return;
    const bool agrees =
        encounter.enforced == verdict_of(now) && (!worlds_.is_joint() || encounter.pending == verdict_of(then));
    if (!agrees) ++disagreements_;
  }

  const PreviewQuestion& question_;
  Worlds& worlds_;
  std::set<PolicyId> chosen_;
  std::uint64_t disagreements_ = 0;
  std::vector<ChangedConnection> untracked_;
  std::uint64_t flows_ = 0;
  std::set<RuleKey> hits_;
  Groups changed_;
};

std::vector<UnusedRule> unused_rules(const PreviewQuestion& question, const Replay& replay) {
  std::vector<UnusedRule> out;
  for (const Policy& policy : question.inventory.policies) {
    if (std::ranges::find(question.policies, policy.id) == question.policies.end()) continue;
    if (policy.staged_action == StagedAction::remove) continue;
    for (const auto& [direction, rules, governs] :
         {std::tuple(Direction::ingress, &policy.ingress, policy.governs_ingress),
          std::tuple(Direction::egress, &policy.egress, policy.governs_egress)}) {
      for (std::size_t i = 0; governs && i < rules->size(); ++i) {
        const auto index = static_cast<std::int32_t>(i);
        if ((*rules)[i].action == Action::log || replay.was_hit(policy.id, direction, index)) continue;
        out.push_back({policy.id, direction, index, (*rules)[i].at});
      }
    }
  }
  return out;
}

/// What a world does to a connection: the first leg that denies it, else the last that judges it.
struct WayVerdict {
  Verdict verdict = Verdict::allow;
  std::optional<TraceEntry> decider;
  Bucket bucket = Bucket::normal;
};
WayVerdict along(const std::vector<JudgedLeg>& legs) {
  WayVerdict out;
  for (const JudgedLeg& leg : legs) {
    out.bucket = leg.leg->bucket;
    out.decider = decider_of(leg.decision.trace);
    if (leg.decision.verdict != Verdict::deny) continue;
    out.verdict = Verdict::deny;
    return out;
  }
  return out;
}

///   out  holds those that are not tracked
std::vector<ChangedConnection> changed_connections(Worlds& worlds, std::span<const LiveConnection> live,
                                                   std::vector<ChangedConnection> out) {
  for (const LiveConnection& connection : live) {
    const WayVerdict now = along(worlds.judge_way(World::enforced, connection.passage));
    const WayVerdict then = along(worlds.judge_way(World::pending, connection.passage));
    if (now.verdict == then.verdict) continue;
    // Untracked policy is stateless: it judges each packet, whatever connection tracking knows.
    const bool survives = !connection.is_one_way && then.bucket != Bucket::untracked;
    out.push_back({connection, then.verdict, survives, then.decider});
  }
  std::ranges::stable_sort(out, {}, [](const ChangedConnection& changed) {
    return std::tuple(!changed.connection.is_yours, changed.survives);
  });
  return out;
}

bool serves(const Listener& listener, Protocol protocol, const Address& address, std::uint16_t port) {
  return listener.protocol == protocol && listener.port == port && (!listener.address || *listener.address == address);
}

/// What changes for those who come to a listening socket, from what was seen and from what lives.
std::vector<ChangedListener> changed_listeners(Worlds& worlds, const std::vector<ChangedTraffic>& traffic,
                                               const std::vector<ChangedConnection>& connections,
                                               std::span<const Listener> listeners) {
  std::vector<ChangedListener> out;
  for (const Listener& listener : listeners) {
    ChangedListener changed{listener, {}};
    Groups live;
    for (const ChangedTraffic& group : traffic) {
      const bool is_for_it = group.reporter == Reporter::destination &&
                             std::ranges::any_of(group.destination_addresses, [&](const Address& address) {
                               return worlds.is_own(address) && serves(listener, group.protocol, address, group.port);
                             });
      if (is_for_it) changed.sources.push_back(group);
    }
    for (const ChangedConnection& connection : connections) {
      const Packet& packet = connection.connection.passage.packet;
      if (!worlds.is_own(packet.destination)) continue;
      if (!serves(listener, packet.protocol, packet.destination, packet.destination_port)) continue;
      const bool is_known = std::ranges::any_of(changed.sources, [&](const ChangedTraffic& group) {
        return std::ranges::find(group.source_addresses, packet.source) != group.source_addresses.end();
      });
      if (is_known) continue;
      const TraceBook& book = worlds.book();
      live.group({book.peer(packet.source), book.peer(packet.destination)}, {}, packet, connection.would,
                 connection.decider);
    }
    for (const Verdict would : {Verdict::deny, Verdict::allow}) {
      for (ChangedTraffic& group : live.take(would)) changed.sources.push_back(std::move(group));
    }
    if (!changed.sources.empty()) out.push_back(std::move(changed));
  }
  return out;
}

bool allows_everything(const std::vector<Rule>& rules) {
  Rule everything;
  if (rules.size() != 1) return false;
  everything.at = rules[0].at;
  return rules[0] == everything;
}

/// Allows everything of everybody, after all others of its tier.
bool is_safety_net(const Policy& policy) {
  constexpr double late =
      100'000;  // the order that the lesson on safe mode gives it; whatever has none comes later still
  return !is_staged(policy.id.kind) && policy.selector.is_all() && !policy.namespace_selector &&
         !policy.service_account_selector && policy.order.value_or(late) >= late &&
         (policy.governs_ingress || policy.governs_egress) &&
         (!policy.governs_ingress || allows_everything(policy.ingress)) &&
         (!policy.governs_egress || allows_everything(policy.egress));
}

SafetyNet what_it_carries(const Policy& net, const PreviewQuestion& question, Worlds& worlds,
                          const Encounters& encounters) {
  const Inventory rest = without(with_only(question.inventory, question.policies), net.id);
  const auto bare = std::make_shared<const Plan>(compile(rest, question.host, World::pending));
  Worlds without_it(question, bare);
  Groups carried;
  encounters.visit([&](const Encounter& encounter) {
    const TraceBook::Leg* with = worlds.leg(encounter.leg);
    const TraceBook::Leg* bare_leg = without_it.leg(encounter.leg);
    if (with == nullptr || bare_leg == nullptr) return;
    const Decision then = worlds.decide(World::pending, *with, encounter.packet);
    if (then.trace.empty() || policy_of(then.trace.back()) != net.id || then.verdict != Verdict::allow) return;
    const Decision alone = without_it.decide(World::pending, *bare_leg, encounter.packet);
    if (alone.verdict == Verdict::deny) carried.add(worlds.book(), encounter, Timestamp{}, alone);
  });
  return {net.id, net.at, carried.take(Verdict::deny)};
}

}  // namespace

std::uint64_t SafetyNet::flows() const {
  std::uint64_t sum = 0;
  for (const ChangedTraffic& group : carries) sum += group.flows.count + group.earlier.count;
  return sum;
}

std::vector<PolicyId> promotable(const Inventory& inventory) {
  std::vector<PolicyId> out;
  for (const Policy& policy : inventory.policies) {
    if (is_staged(policy.id.kind) && policy.staged_action != StagedAction::ignore) out.push_back(policy.id);
  }
  return out;
}

Preview preview(const PreviewQuestion& question, const Encounters& encounters, std::span<const LiveConnection> live,
                std::span<const Listener> listeners) {
  Worlds worlds(question, promoted_plan(question));
  Replay replay(question, worlds);
  encounters.visit([&](const Encounter& encounter) { replay.see(encounter); });

  Preview out;
  out.policies = question.policies;
  out.flows = replay.flows();
  out.new_denies = replay.changed().take(Verdict::deny);
  out.new_allows = replay.changed().take(Verdict::allow);
  out.unused_rules = unused_rules(question, replay);
  out.disagreements = replay.disagreements();
  out.connections = changed_connections(worlds, live, replay.untracked());
  std::vector<ChangedTraffic> traffic = out.new_denies;
  traffic.insert(traffic.end(), out.new_allows.begin(), out.new_allows.end());
  out.listeners = changed_listeners(worlds, traffic, out.connections, listeners);
  for (const Policy& policy : question.inventory.policies) {
    if (is_safety_net(policy)) out.safety_nets.push_back(what_it_carries(policy, question, worlds, encounters));
  }
  return out;
}

}  // namespace drywall
