// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "flow/encounters.h"
#include "flow/flow_filter.h"
#include "flow/flow_record.h"
#include "flow/logged_packet.h"
#include "flow/trace_book.h"

namespace drywall {

/// Evidence that never became a record, since the table was made.
struct EvidenceCounters {
  Timestamp since;
  std::uint64_t messages = 0;     // log messages taken in
  std::uint64_t lost = 0;         // messages that the kernel numbered and nobody received
  std::uint64_t gaps = 0;         // how many times that happened, receive buffer overruns included
  std::uint64_t evicted = 0;      // records dropped for room
  std::uint64_t unassembled = 0;  // hits that fit no trace of a live generation
  std::uint64_t undecodable = 0;  // messages that were no log of ours, or not readable
  bool operator==(const EvidenceCounters&) const = default;
};

struct FlowTableLimits {
  std::size_t records = 200'000;        // kept, open and closed
  std::size_t traces = 200'000;         // half-assembled
  std::size_t connections = 2'000'000;  // remembered to tell retries from connections
  std::chrono::seconds bucket{15};
  std::chrono::seconds retention{3600};
  std::chrono::milliseconds patience{500};  // for the rest of a trace
};

/// Logged packets in, flow records out. Holds no clock and does no input or output: time comes with each call.
/// Bounded by its limits; what it drops it counts. Not for several threads at once.
class FlowTable {
 public:
  explicit FlowTable(Timestamp now, FlowTableLimits limits = {});
  ~FlowTable();
  FlowTable(FlowTable&&) noexcept;
  FlowTable& operator=(FlowTable&&) noexcept;

  /// From now on tags mean what `book` says; the previous books (at most 4) stay for logs still under way.
  void add_book(std::shared_ptr<const TraceBook> book);

  /// Calls for each connection that begins, with what became of it, from add(), add_book() and tick().
  void on_connection(std::function<void(const JudgedConnection&)> call);

  /// Takes one packet in.  `interface_name` gives the name for an index ("" if unknown).
  void add(const LoggedPacket& packet, const std::function<std::string_view(std::uint32_t)>& interface_name);
  void count_lost(std::uint64_t messages, Timestamp at);
  void count_overrun(Timestamp at);  // ENOBUFS: some were lost, the sequence will say how many
  void count_undecodable();

  /// Time passes: half-assembled traces past their patience are completed by the evaluator (predicted) or counted as
  /// unassembled, buckets close, old records go. Call it at least every 250 ms.
  void tick(Timestamp now);

  /// Records in order of start, open buckets included.
  [[nodiscard]] std::vector<FlowRecord> records(const FlowFilter& filter) const;
  [[nodiscard]] EvidenceCounters counters() const;

  /// Each record that is new or has grown since the last call, in order of start (for streams).
  [[nodiscard]] std::vector<FlowRecord> drain_changes();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace drywall
