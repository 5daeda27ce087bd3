// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flow/aged_table.h"
#include "flow/interner.h"
#include "flow/logged_packet.h"
#include "flow/trace_forest.h"

namespace drywall {

/// What one world does to a packet on one leg.
struct Judgement {
  std::shared_ptr<const Trace> trace;
  Verdict verdict = Verdict::undecided;
  bool predicted = false;  // by the evaluator, at least in part
};

/// Packets that one leg judged alike in both worlds.
struct Observation {
  const TraceForest::LegView& leg;
  Packet packet;
  std::optional<std::uint32_t> tcp_sequence;
  Timestamp first;
  Timestamp last;
  std::uint64_t packets = 1;
  std::uint64_t bytes = 0;
  Judgement enforced;
  Judgement pending;
};

/// Names an interface; "" if unknown.
using InterfaceNames = std::function<std::string_view(std::uint32_t)>;

/// Hits in, in whatever order the processors wrote them; whole traces of both worlds out. docs/flow-records.md says how
/// they are put together.
class TraceAssembler {
 public:
  using Sink = std::function<void(const Observation&)>;

  ///   limit     of traces under way
  ///   patience  how long the rest of a trace is waited for
  ///   sink      called from add(), add_book() and tick()
  TraceAssembler(Timestamp now, std::size_t limit, std::chrono::milliseconds patience, std::uint64_t seed,
                 Interners& interners, Sink sink);

  void add_book(std::shared_ptr<const TraceBook> book);
  void add(const LoggedPacket& packet, const InterfaceNames& interface_name);
  void tick(Timestamp now);

  /// Hits that fit no trace of a live generation.
  [[nodiscard]] std::uint64_t unassembled() const { return unassembled_; }
  [[nodiscard]] std::size_t under_way() const { return under_way_.size(); }

 private:
  using Node = TraceForest::Node;
  using LegView = TraceForest::LegView;

  /// What is kept under a key; its last byte.
  enum class Stage : std::uint8_t { enforced, pending, pending_closed, barrier };
  /// Packet, interfaces, hook, leg and stage, packed.
  using Key = std::array<std::uint64_t, 7>;

  /// What is known of the packets behind a trace.
  struct Evidence {
    Timestamp first;
    Timestamp last;
    std::uint64_t packets = 1;
    std::uint64_t bytes = 0;
    std::optional<std::uint32_t> tcp_sequence;
    bool predicted = false;                      // hits of the trace were lost and filled in by the evaluator
    std::shared_ptr<const std::string> came_by;  // the interface, of a pending trace in the forward hook
  };
  struct UnderWay {
    const Node* node = nullptr;
    Timestamp arrived;
    Evidence evidence;
  };
  using Slot = AgedTable<7, UnderWay>::Slot;

  /// Legs whose pending verdicts keep the packet from the legs behind them, or excuse it from them; ranks in the
  /// packet's order.
  struct Barrier {
    static constexpr std::uint8_t none = 255;
    std::uint8_t denied_by = none;
    std::uint8_t excused_by = none;
    Direction excused_direction = Direction::ingress;
    Timestamp arrived;
  };

  struct Hit {
    const LoggedPacket& packet;
    std::uint32_t interface_index;
    std::string_view interface;
  };
  struct Placed {
    const Node* node = nullptr;
    bool predicted = false;
  };

  [[nodiscard]] static Key key_of(const LoggedPacket& packet);
  [[nodiscard]] static Key at_stage(Key key, Stage stage);
  [[nodiscard]] static Stage stage_of(const Key& key);
  [[nodiscard]] static Key barrier_key(const Key& key);
  [[nodiscard]] static Packet packet_of(const Key& key);

  // From a hit to a node.
  [[nodiscard]] const LegView* view(TraceForest& forest, const Hit& hit) const;
  [[nodiscard]] Placed first_hit(const Hit& hit);
  [[nodiscard]] Placed after_lost_hits(const Hit& hit);
  [[nodiscard]] const Node* next_hit(const Node& node, const Hit& hit);
  [[nodiscard]] Placed restart(const UnderWay& half, const Hit& hit);

  // From a closed trace to an observation.
  void close(const Key& key, const Node& node, const Evidence& evidence);
  void close_pending(const Key& key, const Node& node, const Evidence& evidence);
  void close_enforced(const Key& key, const LegView& leg, const Evidence& evidence, const Judgement& enforced,
                      const std::shared_ptr<const Trace>& twin);
  void settle_pending(const Key& key, const LegView& leg, const Evidence& evidence, const Judgement& pending);
  [[nodiscard]] bool is_stopped_before(const Key& key, const LegView& leg, std::string_view came_by) const;
  [[nodiscard]] Judgement pending_of(const Key& key, const LegView& leg, const Evidence& evidence,
                                     const Judgement& enforced, const std::shared_ptr<const Trace>& twin);
  [[nodiscard]] std::optional<Judgement> take_waiting(const Key& key, const Evidence& evidence);
  [[nodiscard]] Judgement predict(const LegView& leg, World world, const Packet& packet) const;
  void drop_half(const Key& key, const Trace& completed);
  void raise_barrier(const Key& key, const Node& node);
  [[nodiscard]] std::optional<Judgement> behind_barrier(const Key& key, const LegView& leg) const;
  void emit(const Key& key, const LegView& leg, const Evidence& evidence, Judgement enforced, Judgement pending);

  // Bounds.
  void keep(const Key& key, const Node& node, const Evidence& evidence);
  UnderWay take(Slot slot);
  void expire(Slot slot);
  void release(const TraceForest& forest);
  [[nodiscard]] Timestamp arrival(Timestamp at) const;

  Timestamp now_;
  std::size_t limit_;
  std::chrono::milliseconds patience_;
  Interners* interners_;
  Sink sink_;
  std::vector<std::unique_ptr<TraceForest>> forests_;  // newest first
  AgedTable<7, UnderWay> under_way_;
  std::size_t waiting_ = 0;  // entries of under_way_ at Stage::pending_closed
  AgedTable<7, Barrier> barriers_;
  std::shared_ptr<const Trace> empty_;
  std::uint64_t unassembled_ = 0;
};

}  // namespace drywall
