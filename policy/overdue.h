// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "policy/model.h"

namespace drywall {

inline constexpr std::string_view review_annotation = "drywall.org/review-by";

/// Warnings for staged policies that nobody came back to: staged unchanged for more than 30 days, or past the day (UTC)
/// that their annotation drywall.org/review-by gives, which is a date (2026-12-31) or a time (2026-12-31T12:00:00Z).
///   staged_since  when a policy became what it is; nothing: not known
///   returns       sorted; at the policy, without excerpts
[[nodiscard]] Diagnostics overdue(
    const Inventory& inventory, std::chrono::sys_seconds now,
    const std::function<std::optional<std::chrono::sys_seconds>(const PolicyId&)>& staged_since);

}  // namespace drywall
