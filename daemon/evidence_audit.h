// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/netlink.h"
#include "policy/rule_tag.h"
#include "render/lower.h"

namespace drywall {

/// Compares what the kernel's leaves have counted with the log messages that came: the difference is evidence that
/// nobody received, also from before this program started. Holds no clock and does no input or output.
class EvidenceAudit {
 public:
  /// How far an earlier run had come, for the next one.
  struct Mark {
    std::string rendering;    // of the rules that counted
    std::uint64_t heard = 0;  // messages of those rules
    bool operator==(const Mark&) const = default;
  };
  struct Findings {
    std::uint64_t unheard = 0;  // hits that were logged and never came
    std::uint64_t limited = 0;  // hits over their flow's rate: not logged
    std::uint64_t full = 0;     // likewise, because too many flows were seen
  };

  /// True if the leaf of that tag logs each hit that it counts, or counts why not. Allowed connections are counted
  /// packet by packet and logged once: those are not audited.
  [[nodiscard]] static bool is_audited(const RuleTag& tag, LogEnforced log_enforced);

  void configure(LogEnforced log_enforced) { log_enforced_ = log_enforced; }
  void hear(const RuleTag& tag);
  /// The counters of the rules with this rendering, read now. The first time, if nothing was replaced: of rules found
  /// in the kernel, whose messages an earlier run may have heard (`left_by`).
  void read(const KernelCounts& counts, std::string_view rendering, const std::optional<Mark>& left_by);
  /// The rules were made anew, and are those of this rendering: what was read last is final, and all counters begin.
  void replace(std::string_view rendering);
  /// Only some of them were: what was read last is final, and hits count from `counts`, read now.
  void change(std::string_view rendering, const KernelCounts& counts);
  /// The same where reading everything takes longer than a change may: hits count from the next reading on, and what
  /// nobody heard between the two is not found.
  ///   unlogged  `limited` and `full`, read now
  void change_unread(std::string_view rendering, const KernelCounts& unlogged);

  /// As of the reading before the last: messages may still be under way.
  [[nodiscard]] Findings findings() const;
  [[nodiscard]] Mark mark() const { return is_changing_ ? Mark{} : Mark{rendering_, base_ + heard_}; }

 private:
  [[nodiscard]] std::uint64_t logged(const KernelCounts& counts) const;
  void take_unlogged(const KernelCounts& counts);
  void begin(std::string_view rendering);

  LogEnforced log_enforced_ = LogEnforced::all;
  std::string rendering_;
  bool has_begun_ = false;
  bool is_changing_ = false;        // since the last reading
  std::uint64_t heard_ = 0;         // messages of these rules
  std::uint64_t base_ = 0;          // logged hits from before, of rules that stayed
  std::uint64_t hits_ = 0;          // logged hits since, as last read
  std::uint64_t earlier_hits_ = 0;  // as read the time before
  Findings before_;                 // `limited` and `full` that the kernel's counters have from before
  Findings current_;                // `limited` and `full` of these rules since
  Findings final_;                  // of all rules before them
};

/// "RENDERING HEARD" for the runtime directory; untrusted when read back.
[[nodiscard]] std::string to_string(const EvidenceAudit::Mark& mark);
[[nodiscard]] std::optional<EvidenceAudit::Mark> parse_mark(std::string_view text);

}  // namespace drywall
