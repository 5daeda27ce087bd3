// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string_view>

#include "policy/draft.h"

namespace drywall::reading {

inline constexpr std::string_view default_allow = "projectcalico-default-allow";

/// The profile that a namespace is: allows both ways and hands on the namespace's labels as pcns.*.
[[nodiscard]] Profile profile_of_namespace(const std::string& name, const Labels& labels, SourceLocation at);
/// projectcalico-default-allow: exists without being written.
[[nodiscard]] Profile allow_all_profile();

void read_profile(Document& document);
void read_namespace(Document& document);
void read_service_account(Document& document);

}  // namespace drywall::reading
