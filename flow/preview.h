// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flow/encounters.h"
#include "flow/flow_record.h"
#include "policy/compile.h"
#include "policy/path.h"
#include "policy/plan.h"

// What a promotion would change: of what was seen, and of what lives now. Pure.

namespace drywall {

/// A connection that lives now.
struct LiveConnection {
  Passage passage;           // of its first packet
  bool is_one_way = false;   // nobody has answered: each of its packets is judged as if it were the first
  bool is_inferred = false;  // connection tracking met it under way: who began it is told by who listens
  bool is_yours = false;     // of whoever asks
  bool is_tracked = true;    // false: untracked policy keeps it from connection tracking; seen within the last minute
};

/// A socket of this host that waits for connections or datagrams.
struct Listener {
  Protocol protocol;
  std::optional<Address> address;  // nothing: any of its family, or of both
  std::uint16_t port = 0;
  auto operator<=>(const Listener&) const = default;
};

/// What is asked.
struct PreviewQuestion {
  const Inventory& inventory;
  const Host& host;
  std::shared_ptr<const Plan> enforced;
  std::shared_ptr<const Plan> pending;  // with everything that is staged
  std::vector<PolicyId> policies;       // that would be promoted, all together; the rest stays staged
  Timestamp since;                      // when the last of them became what it is now
  Timestamp in_force_since;             // when the kernel took the rules that it has
  Timestamp now;
};

/// Traffic that the promotion would judge otherwise, told by what it is and by what would decide.
struct ChangedTraffic {
  Reporter reporter = Reporter::destination;
  Bucket bucket = Bucket::normal;
  FlowPeer source;
  FlowPeer destination;
  std::vector<Address> source_addresses;  // a sample, as in flow records
  std::vector<Address> destination_addresses;
  std::uint16_t port = 0;
  Protocol protocol;
  std::optional<std::uint8_t> icmp_type;
  Verdict would = Verdict::deny;
  std::optional<TraceEntry> decider;  // nothing: no policy would judge it any more
  Tally flows;                        // seen under the policies' present content; 0: only before it
  Tally earlier;                      // seen before
};

/// A live connection that would be judged otherwise if it began after the promotion.
struct ChangedConnection {
  LiveConnection connection;
  Verdict would = Verdict::deny;
  bool survives = true;  // established traffic goes on; false: its next packet meets the new verdict
  std::optional<TraceEntry> decider;
};

/// Who would find a listening socket otherwise than today.
struct ChangedListener {
  Listener listener;
  std::vector<ChangedTraffic> sources;
};

struct UnusedRule {
  PolicyId policy;
  Direction direction = Direction::ingress;
  std::int32_t rule = 0;
  SourceLocation at;
};

/// A policy that allows everything and comes last, kept so that nobody is locked out (the mission's safe mode): what
/// nothing else would allow after the promotion.
struct SafetyNet {
  PolicyId policy;
  SourceLocation at;
  std::vector<ChangedTraffic> carries;  // `would` deny, without it
  [[nodiscard]] std::uint64_t flows() const;
};

struct Preview {
  std::vector<PolicyId> policies;
  std::uint64_t flows = 0;  // connections seen since, on legs that the policies govern
  std::vector<ChangedTraffic> new_denies;
  std::vector<ChangedTraffic> new_allows;
  std::vector<UnusedRule> unused_rules;
  std::vector<ChangedConnection> connections;  // the caller's first, then those that do not survive
  std::vector<ChangedListener> listeners;
  std::vector<SafetyNet> safety_nets;
  std::uint64_t disagreements = 0;  // encounters of which the kernel said otherwise than the evaluator
};

/// The staged policies that the pending world has: all but Ignore.
[[nodiscard]] std::vector<PolicyId> promotable(const Inventory& inventory);

[[nodiscard]] Preview preview(const PreviewQuestion& question, const Encounters& encounters,
                              std::span<const LiveConnection> live, std::span<const Listener> listeners);

}  // namespace drywall
