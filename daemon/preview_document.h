// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <nlohmann/json.hpp>

#include "daemon/previewer.h"

namespace drywall {

/// What `drywall preview` shows, with the keys of docs/preview.md.
[[nodiscard]] nlohmann::json preview_document(const PreviewReport& report);

/// What is told of a kind of would-deny that is met for the first time.
[[nodiscard]] nlohmann::json first_would_deny_document(const FirstWouldDeny& first);
/// The same as a sentence.
[[nodiscard]] std::string to_string(const FirstWouldDeny& first);

}  // namespace drywall
