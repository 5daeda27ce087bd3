// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/edit_watch.h"
#include "daemon/evidence_audit.h"
#include "daemon/generation.h"
#include "daemon/netlink.h"
#include "daemon/previewer.h"
#include "flow/flow_table.h"

// The documents that the daemon shows, with the keys of docs/design: pure functions from values to JSON.

namespace drywall {

using Json = nlohmann::json;

enum class State : std::uint8_t { inert, enforcing, degraded };
[[nodiscard]] std::string_view to_string(State state);

/// The connection tracking table of this network namespace.
struct ConntrackUse {
  std::uint64_t entries = 0;
  std::uint64_t limit = 0;
};

/// What became of the evidence, from the kernel's leaves to the records.
struct Evidence {
  EvidenceCounters records;
  EvidenceAudit::Findings audit;
  std::uint64_t receive_buffer = 0;  // bytes; 0: the NFLOG group is not bound
};

/// Everything that `status` tells.
struct Status {
  State state = State::inert;
  std::string node;
  std::uint64_t generation = 0;  // 0: none was ever in force
  std::optional<Timestamp> applied_at;
  std::string policy_dir;
  std::string state_dir;
  Json confirm;  // what waits to be confirmed; null: nothing
  Diagnostics diagnostics;
  std::optional<Timestamp> differs_since;  // since when the directory is not what the kernel holds
  const Generation* in_force = nullptr;    // borrowed; null: nothing
  std::vector<Interface> interfaces;       // the host's, now
  std::optional<bool> in_sync;             // nothing: the kernel could not be asked
  std::uint64_t healed = 0;                // times that our tables were put back
  std::optional<Timestamp> last_heal;
  std::optional<std::chrono::microseconds> last_open;     // from the kernel's word to the end of the last heal
  std::optional<std::chrono::microseconds> longest_open;  // of all of them
  std::optional<bool> owned;                              // nobody else can change our tables; nothing: there are none
  Evidence evidence;
  std::uint16_t nflog_group = 0;
  std::optional<ConntrackUse> conntrack;  // nothing: the kernel has not loaded it
  std::optional<LiveSummary> live;        // of the generation in force; nothing: nothing is staged, or not yet known
  std::vector<std::string> notes;
};

[[nodiscard]] Json status_document(const Status& status);
/// {deadline, verb, by}; null: nothing waits.
[[nodiscard]] Json confirmation_document(const std::optional<EditWatch::News>& armed);
/// A sentence for the journal; empty: not worth one.
[[nodiscard]] std::string edit_text(const EditWatch::News& news);
[[nodiscard]] Json diagnostics_document(const Diagnostics& diagnostics);
[[nodiscard]] Json evidence_document(const Evidence& evidence);

/// Policies in order of evaluation.
///   counts   of the kernel's leaves
///   records  all that are kept: pending verdicts and last hits are taken from them
[[nodiscard]] Json policies_document(const Generation& generation, const RuleCounts& counts,
                                     const std::vector<FlowRecord>& records);

/// The inventory's policies in the order in which they are asked: by tier, then Calico's order within it.
[[nodiscard]] std::vector<const Policy*> in_order_of_evaluation(const Inventory& inventory);

}  // namespace drywall
