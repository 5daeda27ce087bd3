// SPDX-License-Identifier: GPL-2.0-or-later
#include "flow/trace_assembler.h"

#include <algorithm>
#include <utility>

namespace drywall {
namespace {

constexpr std::size_t live_books = 5;           // the newest and four before it
constexpr std::size_t learned_limit = 100'000;  // of one forest, about 40 MB
constexpr std::uint8_t forward_hook = 2;        // NF_INET_FORWARD
constexpr std::chrono::seconds most_ahead{1};   // of a packet's time, before the last tick's

std::uint8_t byte_of(std::uint64_t word, unsigned shift) {
  return static_cast<std::uint8_t>(word >> shift);
}

/// The index of the interface by which the tag's leg is found.
std::uint32_t leg_interface(const LoggedPacket& packet) {
  switch (packet.tag.leg) {
    case LegPoint::untracked:
    case LegPoint::pre_dnat:
    case LegPoint::host:
    case LegPoint::forward:
      return packet.tag.direction == Direction::ingress ? packet.in_interface : packet.out_interface;
    case LegPoint::workload:  // what the workload sends comes in on its interface
      return packet.tag.direction == Direction::egress ? packet.in_interface : packet.out_interface;
    case LegPoint::to_host:
      return packet.in_interface;
  }
  return 0;
}

/// The order in which a packet meets the legs (docs/dataplane.md, section 1).
std::uint8_t rank_of(LegPoint point, Direction direction) {
  switch (point) {
    case LegPoint::untracked:
      return 0;
    case LegPoint::pre_dnat:
      return 1;
    case LegPoint::forward:
      return direction == Direction::ingress ? 2 : 7;
    case LegPoint::workload:
      return direction == Direction::egress ? 3 : 6;
    case LegPoint::host:
      return 4;
    case LegPoint::to_host:
      return 5;
  }
  return 0;
}

/// True if this world has nothing that could log: it lets every packet through.
bool is_silent(const PlannedLeg* leg) {
  return leg == nullptr ||
         (leg->tiers.empty() && leg->profiles.empty() && leg->ending != Ending::deny && !leg->failsafes);
}

/// The workload's address, if it is a workload's leg.
const Address& workload_address(const LoggedPacket& packet) {
  return packet.tag.direction == Direction::egress ? packet.headers.packet.source : packet.headers.packet.destination;
}

bool is_failsafe(const Trace& trace) {
  return !trace.empty() && trace.front().kind == PolicyKind::failsafe;
}

RuleId id_of(const TraceEntry& entry, Direction direction) {
  if (entry == no_profile_entry()) return no_profile_id(direction);
  return rule_id({entry.kind, entry.ns, entry.name}, direction, entry.rule);
}

/// True if the hits up to `node` begin `trace`.
bool begins(const TraceForest::Node& node, const Trace& trace) {
  if (node.hits > trace.size()) return false;
  for (const auto* at = &node; at->parent != nullptr; at = at->parent) {
    if (at->step.entry != trace[at->hits - 1]) return false;
  }
  return true;
}

/// True if `later` is `earlier` and more hits.
bool goes_on(const TraceForest::Node& earlier, const TraceForest::Node* later) {
  while (later != nullptr && later->parent != &earlier) later = later->parent;
  return later != nullptr;
}

const TraceForest::Node* replay(TraceForest& forest, const TraceForest::Node& root, const TraceForest::Node& node) {
  if (node.parent == nullptr) return &root;
  const auto* parent = replay(forest, root, *node.parent);
  return parent == nullptr ? nullptr : forest.next(*parent, node.id, node.action);
}

}  // namespace

TraceAssembler::TraceAssembler(Timestamp now, std::size_t limit, std::chrono::milliseconds patience, std::uint64_t seed,
                               Interners& interners, Sink sink)
    : now_(now),
      limit_(std::max<std::size_t>(limit, 1)),
      patience_(patience),
      interners_(&interners),
      sink_(std::move(sink)),
      under_way_(seed),
      barriers_(seed),
      empty_(interners.traces.intern({})) {}

void TraceAssembler::add_book(std::shared_ptr<const TraceBook> book) {
  forests_.insert(forests_.begin(), std::make_unique<TraceForest>(std::move(book), *interners_));
  if (forests_.size() <= live_books) return;
  release(*forests_.back());
  forests_.pop_back();
}

void TraceAssembler::add(const LoggedPacket& packet, const InterfaceNames& interface_name) {
  for (const auto& forest : forests_) {
    if (forest->size() <= learned_limit) continue;
    release(*forest);
    forest->forget();
  }
  const std::uint32_t index = leg_interface(packet);
  const Hit hit{packet, index, interface_name(index)};
  const Key key = key_of(packet);
  const Slot slot = under_way_.find(key);
  Evidence evidence{packet.at, packet.at, 1, packet.headers.length, packet.headers.tcp_sequence, false, nullptr};
  if (packet.tag.world == World::pending && packet.hook == forward_hook) {
    evidence.came_by = interners_->names.intern(std::string(interface_name(packet.in_interface)));
  }
  if (slot == AgedTable<7, UnderWay>::none) {
    const Placed placed = first_hit(hit);
    evidence.predicted = placed.predicted;
    if (placed.node == nullptr) {
      ++unassembled_;
    } else if (placed.node->closes()) {
      close(key, *placed.node, evidence);
    } else {
      keep(key, *placed.node, evidence);
    }
    return;
  }

  UnderWay& half = under_way_.value(slot);
  evidence.predicted = half.evidence.predicted;
  const Node* node = next_hit(*half.node, hit);
  if (node == nullptr) {
    const Placed placed = restart(half, hit);
    if (placed.node == nullptr) {
      ++unassembled_;
      return;
    }
    if (!goes_on(*half.node, placed.node)) unassembled_ += half.node->hits;
    node = placed.node;
    evidence.predicted = placed.predicted;
  }
  if (node->closes()) {
    take(slot);
    close(key, *node, evidence);
  } else {
    half = {node, half.arrived, evidence};
  }
}

void TraceAssembler::tick(Timestamp now) {
  now_ = now;
  // What arrived later than can be arrived before the clock was set back.
  const auto is_over = [now](Timestamp arrived, std::chrono::microseconds patience) {
    return arrived + patience <= now || arrived > now + most_ahead;
  };
  for (Slot slot = under_way_.oldest(); slot != under_way_.none && is_over(under_way_.value(slot).arrived, patience_);
       slot = under_way_.oldest()) {
    expire(slot);
  }
  // A barrier is needed until the last leg behind it was given up on.
  for (auto slot = barriers_.oldest(); slot != barriers_.none && is_over(barriers_.value(slot).arrived, 2 * patience_);
       slot = barriers_.oldest()) {
    barriers_.erase(slot);
  }
}

// --- keys

TraceAssembler::Key TraceAssembler::key_of(const LoggedPacket& logged) {
  const Packet& packet = logged.headers.packet;
  const Stage stage = logged.tag.world == World::enforced ? Stage::enforced : Stage::pending;
  return {
      packet.source.high,
      packet.source.low,
      packet.destination.high,
      packet.destination.low,
      std::uint64_t{packet.source_port} << 48U | std::uint64_t{packet.destination_port} << 32U | logged.in_interface,
      std::uint64_t{logged.out_interface} << 32U | std::uint64_t{packet.protocol.number} << 24U |
          std::uint64_t{packet.icmp_type} << 16U | std::uint64_t{packet.icmp_code} << 8U |
          std::uint64_t{packet.source.family == Family::v6},
      std::uint64_t{logged.hook} << 24U | static_cast<std::uint64_t>(logged.tag.leg) << 16U |
          static_cast<std::uint64_t>(logged.tag.direction) << 8U | static_cast<std::uint64_t>(stage)};
}

TraceAssembler::Key TraceAssembler::at_stage(Key key, Stage stage) {
  key[6] = (key[6] & ~std::uint64_t{0xff}) | static_cast<std::uint64_t>(stage);
  return key;
}

TraceAssembler::Stage TraceAssembler::stage_of(const Key& key) {
  return static_cast<Stage>(byte_of(key[6], 0));
}

// The out interface is not known yet where the packet comes in.
TraceAssembler::Key TraceAssembler::barrier_key(const Key& key) {
  Key made = key;
  made[5] &= 0xffff'ffff;
  made[6] = static_cast<std::uint64_t>(Stage::barrier);
  return made;
}

Packet TraceAssembler::packet_of(const Key& key) {
  const Family family = (key[5] & 1) != 0 ? Family::v6 : Family::v4;
  return {{family, key[0], key[1]},
          {family, key[2], key[3]},
          Protocol{byte_of(key[5], 24)},
          static_cast<std::uint16_t>(key[4] >> 48U),
          static_cast<std::uint16_t>(key[4] >> 32U),
          byte_of(key[5], 16),
          byte_of(key[5], 8)};
}

// --- from a hit to a node

const TraceForest::LegView* TraceAssembler::view(TraceForest& forest, const Hit& hit) const {
  return forest.view(hit.packet.tag.leg, hit.packet.tag.direction, hit.interface_index, hit.interface,
                     workload_address(hit.packet));
}

TraceAssembler::Placed TraceAssembler::first_hit(const Hit& hit) {
  const RuleTag& tag = hit.packet.tag;
  for (const auto& forest : forests_) {
    const LegView* leg = view(*forest, hit);
    if (leg == nullptr) continue;
    if (const Node* node = forest->next(leg->root(tag.world), tag.id, tag.action)) return {node, false};
  }
  return after_lost_hits(hit);
}

// The hits before this one were lost, or are not logged (log_enforced: deny). The evaluator may fill them in, but only
// if it comes by itself to the hit that the kernel reported.
TraceAssembler::Placed TraceAssembler::after_lost_hits(const Hit& hit) {
  const RuleTag& tag = hit.packet.tag;
  for (const auto& forest : forests_) {
    const TraceBook& book = forest->book();
    const LegView* leg = view(*forest, hit);
    if (leg == nullptr || leg->leg->in(tag.world) == nullptr) continue;
    const auto entry = book.entry(tag.world, tag.direction, tag.id);
    if (!entry || entry->action != tag.action) continue;
    const Trace trace = evaluate(book.plan(tag.world), *leg->leg->in(tag.world), hit.packet.headers.packet).trace;
    if (std::ranges::find(trace, *entry) == trace.end()) continue;
    const Node* node = &leg->root(tag.world);
    for (std::size_t at = 0; node != nullptr && (node->id != tag.id || node->parent == nullptr); ++at) {
      node = at == trace.size() ? nullptr : forest->next(*node, id_of(trace[at], tag.direction), trace[at].action);
    }
    if (node != nullptr) return {node, true};
  }
  return {};
}

const TraceForest::Node* TraceAssembler::next_hit(const Node& node, const Hit& hit) {
  const RuleTag& tag = hit.packet.tag;
  if (const Node* next = node.view->forest->next(node, tag.id, tag.action)) return next;
  bool is_older = false;
  for (const auto& forest : forests_) {
    if (is_older) {
      const LegView* leg = view(*forest, hit);
      const Node* same = leg == nullptr ? nullptr : replay(*forest, leg->root(tag.world), node);
      const Node* next = same == nullptr ? nullptr : forest->next(*same, tag.id, tag.action);
      if (next != nullptr) return next;
    }
    is_older = is_older || forest.get() == node.view->forest;
  }
  return nullptr;
}

TraceAssembler::Placed TraceAssembler::restart(const UnderWay& half, const Hit& hit) {
  Placed placed = first_hit(hit);
  placed.predicted = placed.predicted || (half.evidence.predicted && goes_on(*half.node, placed.node));
  return placed;
}

// --- from a closed trace to an observation

void TraceAssembler::close(const Key& key, const Node& node, const Evidence& evidence) {
  if (node.world == World::pending) {
    close_pending(key, node, evidence);
  } else {
    close_enforced(key, *node.view, evidence, {node.trace, node.step.verdict, evidence.predicted}, node.twin);
  }
}

void TraceAssembler::close_pending(const Key& key, const Node& node, const Evidence& evidence) {
  raise_barrier(key, node);
  if (is_silent(node.view->leg->enforced)) {
    settle_pending(key, *node.view, evidence, {node.trace, node.step.verdict, evidence.predicted});
    return;
  }
  const Key waiting_key = at_stage(key, Stage::pending_closed);
  const Slot slot = waiting_ == 0 ? under_way_.none : under_way_.find(waiting_key);
  if (slot != under_way_.none) {
    UnderWay& waiting = under_way_.value(slot);
    if (waiting.node == &node && waiting.evidence.tcp_sequence == evidence.tcp_sequence &&
        waiting.evidence.predicted == evidence.predicted) {
      waiting.evidence.packets += 1;
      waiting.evidence.bytes += evidence.bytes;
      waiting.evidence.last = evidence.last;
      return;
    }
    expire(slot);
  }
  keep(waiting_key, node, evidence);
}

void TraceAssembler::close_enforced(const Key& key, const LegView& leg, const Evidence& evidence,
                                    const Judgement& enforced, const std::shared_ptr<const Trace>& twin) {
  emit(key, leg, evidence, enforced, pending_of(key, leg, evidence, enforced, twin));
}

// The enforced world's verdict did not come: it was not logged, was lost, or never fell.
void TraceAssembler::settle_pending(const Key& key, const LegView& leg, const Evidence& evidence,
                                    const Judgement& pending) {
  if (evidence.came_by != nullptr && is_stopped_before(key, leg, *evidence.came_by)) return;
  Judgement enforced = predict(leg, World::enforced, packet_of(key));
  drop_half(at_stage(key, Stage::enforced), *enforced.trace);
  emit(key, leg, evidence, std::move(enforced), pending);
}

// The legs of the forward hook log in the pending world first, all of them, and then in the enforced one. So a leg may
// have judged a packet that comes to it in neither: a leg before it that is the same in both worlds denies it, or an
// interface of workloads that no endpoint owns is closed.
bool TraceAssembler::is_stopped_before(const Key& key, const LegView& leg, std::string_view came_by) const {
  const TraceBook& book = leg.forest->book();
  const Packet packet = packet_of(key);
  const auto stops = [&](LegPoint point, Direction direction, std::string_view interface, const Address& workload) {
    if (rank_of(point, direction) >= rank_of(leg.point, leg.leg->direction)) return false;
    if (point == LegPoint::workload && book.is_closed(interface)) return true;
    const TraceBook::Leg* before = book.leg(point, direction, interface, workload);
    return before != nullptr && !before->observed &&
           book.predict(*before, World::pending, packet).verdict == Verdict::deny;
  };
  return stops(LegPoint::forward, Direction::ingress, came_by, packet.source) ||
         stops(LegPoint::workload, Direction::egress, came_by, packet.source) ||
         stops(LegPoint::workload, Direction::ingress, *leg.interface, packet.destination);
}

Judgement TraceAssembler::pending_of(const Key& key, const LegView& leg, const Evidence& evidence,
                                     const Judgement& enforced, const std::shared_ptr<const Trace>& twin) {
  if (auto waiting = take_waiting(key, evidence)) return *waiting;
  const bool is_alike = !leg.leg->observed && !TraceBook::passes_unasked(*leg.leg, World::pending, packet_of(key));
  if (is_alike) return {twin, enforced.verdict, enforced.predicted};
  if (auto barred = behind_barrier(key, leg)) return *barred;
  // Failsafes are the same in both worlds.
  if (is_failsafe(*enforced.trace) && leg.leg->pending != nullptr) return enforced;
  Judgement pending = predict(leg, World::pending, packet_of(key));
  drop_half(at_stage(key, Stage::pending), *pending.trace);
  return pending;
}

std::optional<Judgement> TraceAssembler::take_waiting(const Key& key, const Evidence& evidence) {
  if (waiting_ == 0) return std::nullopt;
  const Slot slot = under_way_.find(at_stage(key, Stage::pending_closed));
  if (slot == under_way_.none) return std::nullopt;
  UnderWay& waiting = under_way_.value(slot);
  Judgement judgement{waiting.node->trace, waiting.node->step.verdict, waiting.evidence.predicted};
  if (waiting.evidence.packets <= evidence.packets) {
    take(slot);
  } else {
    waiting.evidence.packets -= evidence.packets;
    waiting.evidence.bytes -= std::min(waiting.evidence.bytes, evidence.bytes);
  }
  return judgement;
}

Judgement TraceAssembler::predict(const LegView& leg, World world, const Packet& packet) const {
  // Where an earlier bucket has decided, the kernel logs that in the place of the leg's own trace: silence says that
  // none has, unless a message was lost.
  const bool certain = world == World::enforced || leg.leg->before[1].empty();
  if (is_silent(leg.leg->in(world))) return {empty_, Verdict::allow, !certain};
  Decision decision = leg.forest->book().predict(*leg.leg, world, packet);
  return {interners_->traces.intern(std::move(decision.trace)), decision.verdict, true};
}

/// Ends what was seen of a trace that the evaluator completed. Hits that contradict it fit nowhere.
void TraceAssembler::drop_half(const Key& key, const Trace& completed) {
  const Slot slot = under_way_.find(key);
  if (slot == under_way_.none) return;
  const UnderWay half = take(slot);
  if (!begins(*half.node, completed)) unassembled_ += half.node->hits;
}

// Pending chains never end a packet's way, so legs behind a would-deny, or behind an untracked or preDNAT would-allow,
// are judged although the packet would not reach them after promotion.
void TraceAssembler::raise_barrier(const Key& key, const Node& node) {
  const LegView& leg = *node.view;
  const std::uint8_t rank = rank_of(leg.point, leg.leg->direction);
  const Key barred = barrier_key(key);
  Barrier barrier;
  if (const auto slot = barriers_.find(barred); slot != barriers_.none) {
    barrier = barriers_.value(slot);
    if (barrier.denied_by < rank) return;
    barriers_.erase(slot);
    barrier.denied_by = Barrier::none;  // this leg judges anew
    if (barrier.excused_by >= rank) barrier.excused_by = Barrier::none;
  }
  const bool excuses = (leg.point == LegPoint::untracked || leg.point == LegPoint::pre_dnat) &&
                       node.step.verdict == Verdict::allow && !node.step.exempt;
  if (node.step.verdict == Verdict::deny) barrier.denied_by = rank;
  if (excuses && barrier.excused_by == Barrier::none) {
    barrier.excused_by = rank;
    barrier.excused_direction = leg.leg->direction;
  }
  if (barrier.denied_by == Barrier::none && barrier.excused_by == Barrier::none) return;
  if (barriers_.size() >= limit_) barriers_.erase(barriers_.oldest());
  barrier.arrived = now_;
  barriers_.insert(barred, barrier);
}

std::optional<Judgement> TraceAssembler::behind_barrier(const Key& key, const LegView& leg) const {
  if (barriers_.size() == 0) return std::nullopt;
  const auto slot = barriers_.find(barrier_key(key));
  if (slot == barriers_.none) return std::nullopt;
  const Barrier& barrier = barriers_.value(slot);
  const std::uint8_t rank = rank_of(leg.point, leg.leg->direction);
  if (barrier.denied_by < rank) return Judgement{empty_, Verdict::deny, false};
  const bool can_be_excused =
      leg.point == LegPoint::pre_dnat || leg.point == LegPoint::forward || leg.point == LegPoint::host;
  const bool is_excused =
      can_be_excused && barrier.excused_by < rank && barrier.excused_direction == leg.leg->direction;
  return is_excused ? std::optional{Judgement{empty_, Verdict::allow, false}} : std::nullopt;
}

void TraceAssembler::emit(const Key& key, const LegView& leg, const Evidence& evidence, Judgement enforced,
                          Judgement pending) {
  if (auto barred = behind_barrier(key, leg)) pending = std::move(*barred);
  // Where an earlier bucket had decided in both worlds alike, the packet did not pass this leg in either; nor does it
  // pass one that neither world has.
  const bool spared = enforced.trace->empty() && pending.trace->empty() && enforced.verdict == pending.verdict;
  if (spared && !leg.leg->before[0].empty() && !leg.leg->before[1].empty()) return;
  if (leg.leg->enforced == nullptr && leg.leg->pending == nullptr) return;
  sink_({leg, packet_of(key), evidence.tcp_sequence, evidence.first, evidence.last, evidence.packets, evidence.bytes,
         std::move(enforced), std::move(pending)});
}

// --- bounds

void TraceAssembler::keep(const Key& key, const Node& node, const Evidence& evidence) {
  if (under_way_.size() >= limit_) expire(under_way_.oldest());
  under_way_.insert(key, {&node, arrival(evidence.first), evidence});
  if (stage_of(key) == Stage::pending_closed) ++waiting_;
}

TraceAssembler::UnderWay TraceAssembler::take(Slot slot) {
  if (stage_of(under_way_.key(slot)) == Stage::pending_closed) --waiting_;
  UnderWay taken = std::move(under_way_.value(slot));
  under_way_.erase(slot);
  return taken;
}

/// Nothing more is coming: the evaluator completes the trace, if it agrees with what was seen.
void TraceAssembler::expire(Slot slot) {
  const Key key = under_way_.key(slot);
  UnderWay half = take(slot);
  const LegView& leg = *half.node->view;
  if (stage_of(key) == Stage::pending_closed) {
    settle_pending(key, leg, half.evidence, {half.node->trace, half.node->step.verdict, half.evidence.predicted});
    return;
  }
  Judgement completed = predict(leg, half.node->world, packet_of(key));
  if (!begins(*half.node, *completed.trace)) {
    unassembled_ += half.node->hits;
  } else if (half.node->world == World::enforced) {
    Trace twin = leg.forest->book().pending_twin(*leg.leg, *completed.trace);
    close_enforced(key, leg, half.evidence, completed, interners_->traces.intern(std::move(twin)));
  } else {
    settle_pending(key, leg, half.evidence, completed);
  }
}

void TraceAssembler::release(const TraceForest& forest) {
  for (Slot slot = under_way_.oldest(); slot != under_way_.none;) {
    if (under_way_.value(slot).node->view->forest != &forest) {
      slot = under_way_.newer(slot);
      continue;
    }
    expire(slot);
    slot = under_way_.oldest();
  }
}

// By the sender's clock if it is sane: not before the last tick and not far behind it.
Timestamp TraceAssembler::arrival(Timestamp at) const {
  return std::clamp(at, now_, now_ + most_ahead);
}

}  // namespace drywall
