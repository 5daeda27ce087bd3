// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "daemon/connections.h"
#include "daemon/enforcer.h"
#include "daemon/evidence_store.h"
#include "flow/encounters.h"
#include "flow/preview.h"
#include "flow/trace_book.h"

namespace drywall {

/// A kind of traffic that is allowed and would be denied, met for the first time.
struct FirstWouldDeny {
  FlowPeer source;
  FlowPeer destination;
  Packet packet;
  Reporter reporter = Reporter::destination;
  std::optional<TraceEntry> decider;
};

/// A preview with what it rests on.
struct PreviewReport {
  Preview preview;
  std::string content_sha256;      // of the policies' contents, whatever is done to them
  std::optional<Timestamp> since;  // when the last of them became what it is; nothing: there are none
  std::uint64_t seconds = 0;       // since then
  std::uint64_t lost = 0;          // log messages since then
  std::uint64_t live = 0;          // connections looked at
  std::vector<FailsafePort> failsafe_inbound;
  std::vector<FailsafePort> failsafe_outbound;
  std::vector<Listener> kept_open;   // by the failsafe ports, whatever policy says
  std::vector<std::string> reasons;  // why not to promote; none: ready
};

/// What the live connections would meet if everything staged were promoted, as of the last generation.
struct LiveSummary {
  Timestamp at;
  std::uint64_t connections = 0;
  std::uint64_t would_deny = 0;
  std::uint64_t would_allow = 0;
};

/// Gathers evidence, keeps it over restarts, and answers what a promotion would do.
class Previewer {
 public:
  using Tell = std::function<void(const FirstWouldDeny&)>;

  ///   tell  called for each kind of would-deny that is met for the first time, at most `most_told` in a minute
  Previewer(const std::string& state_dir, Tell tell);

  void see(const JudgedConnection& connection);
  /// Another generation is in force: policies that say something else than before begin their evidence anew.
  void follow(const InForce& in_force, const TraceBook& book, Timestamp now);
  /// Writes what is new to the disk, now and then.
  ///   lost  log messages that this run did not get, in all
  void tick(Timestamp now, std::uint64_t lost);

  /// Why the policies cannot be previewed: one of them is not staged.
  using Unknown = PolicyId;
  ///   policies  staged ones; none: all that are not Ignore
  ///   differs   the directory is not what is in force
  [[nodiscard]] tl::expected<PreviewReport, Unknown> report(const InForce& in_force, const Machine& machine,
                                                            std::vector<PolicyId> policies,
                                                            const std::optional<Ends>& yours, bool differs,
                                                            Timestamp now) const;
  [[nodiscard]] Result<LiveSummary> look_at_live(const InForce& in_force, const Machine& machine, Timestamp now) const;

  [[nodiscard]] std::optional<Timestamp> since(const PolicyId& policy) const;
  /// Why evidence is not kept, or was lost.
  [[nodiscard]] std::optional<Failure> failure() const;

 private:
  [[nodiscard]] bool is_new_kind(const LegIdentity& leg, const FlowPeer& source, const FlowPeer& destination,
                                 const Packet& packet);
  void remember_kinds(const TraceBook& book);
  void forget_the_future(Timestamp now);
  [[nodiscard]] PreviewReport begin_report(const InForce& in_force, const std::vector<PolicyId>& policies,
                                           Timestamp now) const;

  Tell tell_;
  std::unique_ptr<EvidenceStore> store_;
  std::optional<Failure> store_failure_;
  Encounters encounters_;
  PolicyContents contents_;
  std::shared_ptr<const Generation> followed_;  // that they are of
  bool are_contents_new_ = false;               // not yet given to the store
  EpochTally lost_;
  std::uint64_t lost_before_ = 0;  // of this run, as of the last tick
  Timestamp ticked_;
  Timestamp written_;
  std::set<std::string> kinds_;  // of would-deny that were told
  bool are_kinds_restored_ = false;
  Timestamp told_since_;
  unsigned told_ = 0;  // since then
};

}  // namespace drywall
