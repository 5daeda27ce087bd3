// SPDX-License-Identifier: GPL-2.0-or-later
#include "flow/flow_table.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>

#include "flow/aged_table.h"
#include "flow/connection_memory.h"
#include "flow/interner.h"
#include "flow/trace_assembler.h"

namespace drywall {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

constexpr seconds connection_generation{60};
constexpr seconds sweep_interval{60};

/// A record as it is kept: shared parts by pointer.
struct Row {
  std::shared_ptr<const LegIdentity> leg;
  std::shared_ptr<const std::string> interface;
  std::shared_ptr<const FlowPeer> source;
  std::shared_ptr<const FlowPeer> destination;
  std::shared_ptr<const Trace> enforced;
  std::shared_ptr<const Trace> pending;
  Timestamp bucket;
  Timestamp start;
  Timestamp end;
  Packet example;  // for port, protocol and ICMP type
  Verdict action = Verdict::allow;
  Verdict pending_action = Verdict::allow;
  bool predicted = false;
  bool changed = false;
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint64_t connections_started = 0;
  std::vector<Address> source_addresses;
  std::vector<Address> destination_addresses;
};

using Rows = AgedTable<8, Row>;

template <class Pointer>
std::uint64_t number_of(const std::shared_ptr<Pointer>& pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer.get());
}

bool is_predicted(const Observation& seen) {
  return seen.enforced.predicted || seen.pending.predicted;
}

/// An undecided leg lets the packet on.
Verdict action_of(Verdict verdict) {
  return verdict == Verdict::deny ? Verdict::deny : Verdict::allow;
}

/// Who sends and who receives. The endpoint itself is known even if its address is not in any file: what a host
/// endpoint judges at input was sent to it, what it judges at output it sent; likewise workloads.
struct Peers {
  const std::shared_ptr<const FlowPeer>& source;
  const std::shared_ptr<const FlowPeer>& destination;
};
Peers peers_of(const TraceForest::LegView& leg, const Packet& packet) {
  const auto& source = leg.forest->peer(packet.source);
  const auto& destination = leg.forest->peer(packet.destination);
  const auto is_endpoint = [](const FlowPeer& peer) {
    return peer.type == FlowPeer::Type::workload || peer.type == FlowPeer::Type::host;
  };
  const bool is_own = leg.self != nullptr && (leg.point == LegPoint::host || leg.point == LegPoint::workload);
  const bool is_egress = leg.leg->direction == Direction::egress;
  return {is_own && is_egress && !is_endpoint(*source) ? leg.self : source,
          is_own && !is_egress && !is_endpoint(*destination) ? leg.self : destination};
}

Rows::Key row_key(const Observation& seen, const Peers& peers, Timestamp bucket) {
  const Packet& packet = seen.packet;
  return {number_of(seen.leg.identity),
          number_of(seen.leg.interface),
          number_of(peers.source),
          number_of(peers.destination),
          number_of(seen.enforced.trace),
          number_of(seen.pending.trace),
          static_cast<std::uint64_t>(bucket.time_since_epoch().count()),
          std::uint64_t{packet.destination_port} << 48U | std::uint64_t{packet.protocol.number} << 40U |
              std::uint64_t{packet.icmp_type} << 32U | std::uint64_t{packet.icmp_code} << 24U |
              std::uint64_t{is_predicted(seen)} << 2U | std::uint64_t{seen.enforced.verdict == Verdict::deny} << 1U |
              std::uint64_t{seen.pending.verdict == Verdict::deny}};
}

Row row_of(const Observation& seen, const Peers& peers, Timestamp bucket) {
  Row row;
  row.leg = seen.leg.identity;
  row.interface = seen.leg.interface;
  row.source = peers.source;
  row.destination = peers.destination;
  row.enforced = seen.enforced.trace;
  row.pending = seen.pending.trace;
  row.bucket = bucket;
  row.start = seen.first;
  row.end = seen.last;
  row.example = seen.packet;
  row.action = action_of(seen.enforced.verdict);
  row.pending_action = action_of(seen.pending.verdict);
  row.predicted = is_predicted(seen);
  return row;
}

std::uint64_t connection_fingerprint(const Observation& seen, std::uint64_t seed) {
  const Packet& packet = seen.packet;
  const std::array<std::uint64_t, 7> words{
      packet.source.high,
      packet.source.low,
      packet.destination.high,
      packet.destination.low,
      std::uint64_t{packet.source_port} << 48U | std::uint64_t{packet.destination_port} << 32U |
          seen.tcp_sequence.value_or(0),
      std::uint64_t{packet.protocol.number} << 24U | std::uint64_t{packet.icmp_type} << 16U |
          std::uint64_t{packet.icmp_code} << 8U | std::uint64_t{packet.source.family == Family::v6},
      seen.leg.fingerprint};
  return hash_words(words, seed);
}

FlowRecord record_of(const Row& row, std::uint64_t lost) {
  FlowRecord record;
  record.start = row.start;
  record.end = row.end;
  record.reporter = row.leg->direction == Direction::egress ? Reporter::source : Reporter::destination;
  record.endpoint = row.leg->endpoint;
  record.bucket = row.leg->bucket;
  record.source = *row.source;
  record.destination = *row.destination;
  record.destination_port = row.example.destination_port;
  record.protocol = row.example.protocol;
  if (is_icmp(row.example.protocol)) {
    record.icmp_type = row.example.icmp_type;
    record.icmp_code = row.example.icmp_code;
  }
  record.interface = *row.interface;
  record.action = row.action;
  record.pending_action = row.pending_action;
  record.enforced = *row.enforced;
  record.pending = *row.pending;
  record.failsafe = !row.enforced->empty() && row.enforced->front().kind == PolicyKind::failsafe;
  record.predicted = row.predicted;
  record.packets = row.packets;
  record.bytes = row.bytes;
  record.connections_started = row.connections_started;
  record.source_addresses = row.source_addresses;
  record.destination_addresses = row.destination_addresses;
  record.lost = lost;
  return record;
}

JudgedConnection connection_of(const Observation& seen, const Peers& peers) {
  return {*seen.leg.identity,
          *seen.leg.interface,
          seen.packet,
          seen.last,
          action_of(seen.enforced.verdict),
          action_of(seen.pending.verdict),
          *peers.source,
          *peers.destination,
          *seen.pending.trace};
}

FlowFacts facts_of(const Row& row) {
  return {row.start,
          row.end,
          row.action,
          row.pending_action,
          row.example.destination_port,
          row.example.protocol,
          row.leg->direction == Direction::egress ? Reporter::source : Reporter::destination};
}

/// A row from the far future was made before the clock was set right.
bool is_past(const Row& row, Timestamp now, seconds retention) {
  return row.end < now - retention || row.start > now + retention;
}

void sort_by_start(std::vector<FlowRecord>& records) {
  std::ranges::stable_sort(records, {}, &FlowRecord::start);
}

}  // namespace

struct FlowTable::State {
  State(Timestamp at, FlowTableLimits table_limits)
      : limits(table_limits),
        seed(static_cast<std::uint64_t>(at.time_since_epoch().count()) * 0x9e37'79b9'7f4a'7c15 ^
             reinterpret_cast<std::uintptr_t>(this)),
        now(at),
        connections(limits.connections),
        turned(at),
        swept(at),
        assembler(at, limits.traces, limits.patience, seed, interners, [this](const Observation& seen) { take(seen); }),
        rows(seed) {
    counters.since = at;
  }

  void take(const Observation& seen);
  void make_room();
  void mark_changed(Rows::Slot slot);
  [[nodiscard]] Timestamp bucket_of(Timestamp at) const;
  [[nodiscard]] std::uint64_t lost_in(Timestamp bucket) const;

  FlowTableLimits limits;
  std::uint64_t seed;  // not the same in two runs, so that nobody can send packets whose keys collide
  Timestamp now;
  EvidenceCounters counters;  // but for `unassembled`
  std::function<void(const JudgedConnection&)> on_connection;
  Interners interners;
  ConnectionMemory connections;
  Timestamp turned;  // the connections' generation
  Timestamp swept;   // the interners
  TraceAssembler assembler;
  Rows rows;
  std::vector<Rows::Slot> changes;          // each slot at most once
  std::vector<bool> is_queued;              // by slot: it is among `changes`
  std::map<Timestamp, std::uint64_t> lost;  // by bucket
};

void FlowTable::State::take(const Observation& seen) {
  const Peers peers = peers_of(seen.leg, seen.packet);
  const Timestamp bucket = bucket_of(seen.last);
  const Rows::Key key = row_key(seen, peers, bucket);
  Rows::Slot slot = rows.find(key);
  if (slot == Rows::none) {
    make_room();
    slot = rows.insert(key, row_of(seen, peers, bucket));
  }
  Row& grown = rows.value(slot);
  grown.start = std::min(grown.start, seen.first);
  grown.end = std::max(grown.end, seen.last);
  grown.packets += seen.packets;
  grown.bytes += seen.bytes;
  if (connections.is_new(connection_fingerprint(seen, seed))) {
    ++grown.connections_started;
    if (on_connection) on_connection(connection_of(seen, peers));
  }
  add_to_sample(grown.source_addresses, seen.packet.source);
  add_to_sample(grown.destination_addresses, seen.packet.destination);
  mark_changed(slot);
}

void FlowTable::State::make_room() {
  while (rows.size() >= std::max<std::size_t>(limits.records, 1)) {
    rows.erase(rows.oldest());
    ++counters.evicted;
  }
}

void FlowTable::State::mark_changed(Rows::Slot slot) {
  rows.value(slot).changed = true;
  if (slot >= is_queued.size()) is_queued.resize(rows.slots());
  if (is_queued[slot]) return;
  is_queued[slot] = true;
  changes.push_back(slot);
}

Timestamp FlowTable::State::bucket_of(Timestamp at) const {
  const microseconds length = std::max(limits.bucket, seconds{1});
  const microseconds since_epoch = at.time_since_epoch();
  const microseconds into = (since_epoch % length + length) % length;
  return Timestamp{since_epoch - into};
}

std::uint64_t FlowTable::State::lost_in(Timestamp bucket) const {
  const auto found = lost.find(bucket);
  return found == lost.end() ? 0 : found->second;
}

FlowTable::FlowTable(Timestamp now, FlowTableLimits limits) : state_(std::make_unique<State>(now, limits)) {}
FlowTable::~FlowTable() = default;
FlowTable::FlowTable(FlowTable&&) noexcept = default;
FlowTable& FlowTable::operator=(FlowTable&&) noexcept = default;

void FlowTable::add_book(std::shared_ptr<const TraceBook> book) {
  state_->assembler.add_book(std::move(book));
}

void FlowTable::on_connection(std::function<void(const JudgedConnection&)> call) {
  state_->on_connection = std::move(call);
}

void FlowTable::add(const LoggedPacket& packet, const std::function<std::string_view(std::uint32_t)>& interface_name) {
  ++state_->counters.messages;
  state_->assembler.add(packet, interface_name);
}

void FlowTable::count_lost(std::uint64_t messages, Timestamp at) {
  if (messages == 0) return;
  state_->counters.lost += messages;
  ++state_->counters.gaps;
  state_->lost[state_->bucket_of(at)] += messages;
}

void FlowTable::count_overrun(Timestamp) {
  ++state_->counters.gaps;
}

void FlowTable::count_undecodable() {
  ++state_->counters.undecodable;
}

void FlowTable::tick(Timestamp now) {
  State& state = *state_;
  state.now = now;
  state.assembler.tick(now);
  while (state.rows.oldest() != Rows::none &&
         is_past(state.rows.value(state.rows.oldest()), now, state.limits.retention)) {
    state.rows.erase(state.rows.oldest());
  }
  state.lost.erase(state.lost.begin(), state.lost.lower_bound(state.bucket_of(now - state.limits.retention)));
  if (now - state.turned >= connection_generation || now < state.turned) {
    state.connections.turn();
    state.turned = now;
  }
  if (now - state.swept >= sweep_interval || now < state.swept) {
    state.interners.sweep();
    state.swept = now;
  }
}

std::vector<FlowRecord> FlowTable::records(const FlowFilter& filter) const {
  const Rows& rows = state_->rows;
  std::vector<FlowRecord> found;
  for (Rows::Slot slot = rows.oldest(); slot != Rows::none; slot = rows.newer(slot)) {
    const Row& row = rows.value(slot);
    if (!matches(filter, facts_of(row))) continue;
    FlowRecord record = record_of(row, state_->lost_in(row.bucket));
    if (matches(filter, record)) found.push_back(std::move(record));
  }
  sort_by_start(found);
  return found;
}

EvidenceCounters FlowTable::counters() const {
  EvidenceCounters counters = state_->counters;
  counters.unassembled = state_->assembler.unassembled();
  return counters;
}

std::vector<FlowRecord> FlowTable::drain_changes() {
  State& state = *state_;
  std::vector<FlowRecord> changed;
  for (const Rows::Slot slot : std::exchange(state.changes, {})) {
    state.is_queued[slot] = false;
    if (!state.rows.is_live(slot) || !state.rows.value(slot).changed) continue;
    Row& row = state.rows.value(slot);
    row.changed = false;
    changed.push_back(record_of(row, state.lost_in(row.bucket)));
  }
  sort_by_start(changed);
  return changed;
}

}  // namespace drywall
