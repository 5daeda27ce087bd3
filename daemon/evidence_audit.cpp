// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/evidence_audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace drywall {
namespace {

std::uint64_t surplus(std::uint64_t of, std::uint64_t over) {
  return of > over ? of - over : 0;
}

}  // namespace

bool EvidenceAudit::is_audited(const RuleTag& tag, LogEnforced log_enforced) {
  if (tag.world == World::pending) return true;
  if (tag.action == Action::deny) return log_enforced != LogEnforced::none;
  return log_enforced == LogEnforced::all && tag.leg == LegPoint::untracked;
}

void EvidenceAudit::hear(const RuleTag& tag) {
  if (is_audited(tag, log_enforced_)) ++heard_;
}

void EvidenceAudit::read(const KernelCounts& counts, std::string_view rendering, const std::optional<Mark>& left_by) {
  std::uint64_t counted = 0;
  for (const auto& [tag, count] : counts.rules) {
    if (is_audited(tag, log_enforced_)) counted += count.packets;
  }
  const std::uint64_t logged = surplus(counted, counts.limited + counts.full);
  if (!has_begun_) {
    replace(rendering);
    const bool is_known = left_by && left_by->rendering == rendering && left_by->heard <= logged;
    heard_ = is_known ? left_by->heard : logged;
    hits_ = logged;
  }
  if (logged < hits_) replace(rendering);  // somebody else made them anew
  earlier_hits_ = std::exchange(hits_, logged);
  current_.limited = counts.limited;
  current_.full = counts.full;
}

void EvidenceAudit::replace(std::string_view rendering) {
  final_ = findings();
  current_ = {};
  rendering_ = rendering;
  has_begun_ = true;
  heard_ = hits_ = earlier_hits_ = 0;
}

EvidenceAudit::Findings EvidenceAudit::findings() const {
  return {final_.unheard + surplus(earlier_hits_, heard_), final_.limited + current_.limited,
          final_.full + current_.full};
}

std::string to_string(const EvidenceAudit::Mark& mark) {
  return fmt::format("{} {}\n", mark.rendering, mark.heard);
}

std::optional<EvidenceAudit::Mark> parse_mark(std::string_view text) {
  const std::size_t space = std::min(text.find(' '), text.size());
  EvidenceAudit::Mark mark{std::string(text.substr(0, space)), 0};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(std::min(text.data() + space + 1, end), end, mark.heard);
  if (error != std::errc{} || std::string_view(stop, end) != "\n") return std::nullopt;
  return mark;
}

}  // namespace drywall
