// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "flow/interner.h"
#include "flow/logged_packet.h"
#include "policy/evaluate.h"

namespace drywall {

/// One connection, or one connectionless packet of its kind, as one leg judged it.
struct JudgedConnection {
  const LegIdentity& leg;
  std::string_view interface;  // "" if not known any more
  Packet packet;               // as the leg sees it
  Timestamp at;
  Verdict enforced = Verdict::allow;
  Verdict pending = Verdict::allow;
  const FlowPeer& source;
  const FlowPeer& destination;
  const Trace& pending_trace;
};

/// Something that happened several times. Nothing happened if `count` is 0; then the times mean nothing.
struct Tally {
  std::uint64_t count = 0;
  Timestamp first;
  Timestamp last;
  void add(std::uint64_t more, Timestamp from, Timestamp to);
  bool operator==(const Tally&) const = default;
};

/// A tally that can be asked for what came since a point in time, as long as that point began an epoch. Keeps the last
/// `most` epochs that had anything; what is older is joined to the oldest, which is to understate, never to overstate,
/// what came since.
class EpochTally {
 public:
  struct Part {
    Timestamp epoch;  // when it began
    Tally tally;
    bool operator==(const Part&) const = default;
  };
  static constexpr std::size_t most = 8;

  EpochTally() = default;
  /// As parts() gave them; untrusted: ascending and at most `most`, or they are dropped.
  explicit EpochTally(std::vector<Part> parts);
  void add(Timestamp epoch, std::uint64_t count, Timestamp at);
  [[nodiscard]] Tally since(Timestamp epoch) const;
  [[nodiscard]] std::span<const Part> parts() const { return parts_; }
  bool operator==(const EpochTally&) const = default;

 private:
  std::vector<Part> parts_;  // ascending by epoch
};

/// Connections alike: judged by the same leg, between the same two addresses, to the same port (or of the same ICMP
/// type). This is what policy can tell apart, but for source ports.
struct Encounter {
  LegIdentity leg;
  std::string interface;
  Packet packet;  // of the latest
  Verdict enforced = Verdict::allow;
  Verdict pending = Verdict::allow;
  EpochTally connections;
  bool operator==(const Encounter&) const = default;
};

/// What this host has seen of whom: the evidence that a change is judged by. An epoch begins whenever policy changes,
/// so that what was seen under the same policy can be told from what was not. Bounded: what was not seen for longest is
/// forgotten first, what both worlds deny sooner than the rest, and both are counted. Does no input or output.
class Encounters {
 public:
  struct Limits {
    std::size_t telling = 50'000;     // allowed in one of the worlds at least
    std::size_t denied = 10'000;      // in both
    unsigned denied_a_second = 2000;  // taken in: a flood of what both deny is no news, and must not cost much
  };
  explicit Encounters(Limits limits);
  Encounters() : Encounters(Limits{}) {}

  /// From now on things happen in a new epoch.
  void begin_epoch(Timestamp at) {
    previous_epoch_ = epoch_;
    epoch_ = at;
  }
  [[nodiscard]] Timestamp epoch() const { return epoch_; }
  void add(const JudgedConnection& connection);
  /// What an earlier run had; nothing that is there already is replaced.
  void restore(Encounter encounter);

  [[nodiscard]] std::size_t size() const { return by_key_.size(); }
  [[nodiscard]] std::uint64_t forgotten() const { return forgotten_; }
  template <class Visit>
  void visit(Visit visit) const {
    for (const auto& list : lists_) {
      for (const Entry& entry : list) visit(entry.encounter);
    }
  }

  /// What changed since the last call, by key: nothing instead of an encounter that was forgotten.
  struct Change {
    std::string key;
    std::optional<Encounter> encounter;
  };
  [[nodiscard]] std::vector<Change> take_changes();

 private:
  struct Entry {
    std::string key;
    Encounter encounter;
  };
  using List = std::list<Entry>;  // the longest not seen first
  struct Place {
    std::size_t list;
    List::iterator entry;
  };
  [[nodiscard]] static std::size_t list_of(const Encounter& encounter);
  [[nodiscard]] bool is_flooded(Timestamp at);
  void place(std::string key, Encounter encounter);
  void make_room(std::size_t list);

  Limits limits_;
  Timestamp epoch_;
  Timestamp previous_epoch_;
  std::array<List, 2> lists_;  // telling, denied
  std::unordered_map<std::string, Place> by_key_;
  std::unordered_set<std::string> changed_;
  std::uint64_t forgotten_ = 0;
  std::chrono::sys_seconds denied_second_;
  unsigned denied_ = 0;  // in that second
};

/// What an encounter is known by: bytes, the same in every run.
[[nodiscard]] std::string key_of(const LegIdentity& leg, std::string_view interface, const Packet& packet);

}  // namespace drywall
