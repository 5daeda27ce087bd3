// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/overdue.h"

#include <fmt/format.h>

#include <charconv>

namespace drywall {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

constexpr days longest_staged{30};

/// The number that exactly these digits are.
std::optional<unsigned> digits(std::string_view text, std::size_t at, std::size_t count) {
  if (text.size() < at + count) return std::nullopt;
  unsigned value = 0;
  const char* const end = text.data() + at + count;
  const auto [stop, error] = std::from_chars(text.data() + at, end, value);
  return error == std::errc{} && stop == end ? std::optional(value) : std::nullopt;
}

/// `2026-12-31`: the end of that day; `2026-12-31T12:00:00Z`: that second. UTC.
std::optional<sys_seconds> parse_review(std::string_view text) {
  const auto year = digits(text, 0, 4);
  const auto month = digits(text, 5, 2);
  const auto day = digits(text, 8, 2);
  if (!year || !month || !day || text[4] != '-' || text[7] != '-') return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)), std::chrono::month(*month),
                                         std::chrono::day(*day)};
  if (!date.ok()) return std::nullopt;
  if (text.size() == 10) return sys_days(date) + days(1);
  const auto hour = digits(text, 11, 2);
  const auto minute = digits(text, 14, 2);
  const auto second = digits(text, 17, 2);
  const bool is_time = hour && minute && second && *hour < 24 && *minute < 60 && *second < 60 && text.size() == 20 &&
                       text[10] == 'T' && text[13] == ':' && text[16] == ':' && text[19] == 'Z';
  if (!is_time) return std::nullopt;
  return sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(*second);
}

Diagnostic warning(const Policy& policy, std::string code, std::string message, std::string help) {
  return {policy.at, 1, Severity::warning, std::move(code), std::move(message), std::move(help), {}};
}

}  // namespace

Diagnostics overdue(const Inventory& inventory, sys_seconds now,
                    const std::function<std::optional<sys_seconds>(const PolicyId&)>& staged_since) {
  Diagnostics out;
  for (const Policy& policy : inventory.policies) {
    if (!is_staged(policy.id.kind)) continue;
    const std::optional<sys_seconds> since = staged_since(policy.id);
    if (since && now - *since > longest_staged) {
      out.push_back(warning(policy, "staged-long",
                            fmt::format("{} has been staged for {} days", to_string(policy.id),
                                        std::chrono::floor<days>(now - *since).count()),
                            "promote it, or remove it"));
    }
    const auto review = policy.annotations.find(std::string(review_annotation));
    if (review == policy.annotations.end()) continue;
    const std::optional<sys_seconds> due = parse_review(review->second);
    if (!due) {
      out.push_back(
          warning(policy, "bad-review-date",
                  fmt::format("{} \"{}\" of {} is no date", review_annotation, review->second, to_string(policy.id)),
                  "write a day (2026-12-31) or a time (2026-12-31T12:00:00Z)"));
    } else if (*due <= now) {
      out.push_back(warning(policy, "review-due",
                            fmt::format("{} was to be reviewed by {}", to_string(policy.id), review->second),
                            "promote it, remove it, or set a later date"));
    }
  }
  sort_diagnostics(out);
  return out;
}

}  // namespace drywall
