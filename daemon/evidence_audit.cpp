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

std::uint64_t EvidenceAudit::logged(const KernelCounts& counts) const {
  std::uint64_t counted = 0;
  for (const auto& [tag, count] : counts.rules) {
    if (is_audited(tag, log_enforced_)) counted += count.packets;
  }
  return surplus(counted, counts.limited + counts.full);
}

void EvidenceAudit::read(const KernelCounts& counts, std::string_view rendering, const std::optional<Mark>& left_by) {
  const std::uint64_t hits = logged(counts);
  if (!has_begun_) {
    begin(rendering);
    const bool is_known = left_by && left_by->rendering == rendering && left_by->heard <= hits;
    heard_ = is_known ? left_by->heard : hits;
    hits_ = hits;
  }
  if (std::exchange(is_changing_, false)) {
    base_ = hits;
    heard_ = 0;
  }
  if (hits < base_ + hits_) replace(rendering);  // somebody else made them anew
  earlier_hits_ = std::exchange(hits_, surplus(hits, base_));
  take_unlogged(counts);
}

void EvidenceAudit::replace(std::string_view rendering) {
  begin(rendering);
  before_ = {};
}

void EvidenceAudit::change(std::string_view rendering, const KernelCounts& counts) {
  change_unread(rendering, counts);
  base_ = logged(counts);
  is_changing_ = false;
}

void EvidenceAudit::change_unread(std::string_view rendering, const KernelCounts& unlogged) {
  take_unlogged(unlogged);
  begin(rendering);
  before_ = {0, unlogged.limited, unlogged.full};
  is_changing_ = true;
}

void EvidenceAudit::take_unlogged(const KernelCounts& counts) {
  current_.limited = surplus(counts.limited, before_.limited);
  current_.full = surplus(counts.full, before_.full);
}

/// What was found of the rules before is final.
void EvidenceAudit::begin(std::string_view rendering) {
  final_ = findings();
  current_ = {};
  base_ = 0;
  rendering_ = rendering;
  has_begun_ = true;
  is_changing_ = false;
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
