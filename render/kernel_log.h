// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <string_view>

#include "policy/plan.h"

namespace drywall {

/// What a line of the kernel's log begins with for a Log rule of the policy: `pattern` with %t, %k, %n and %p replaced
/// by tier, short kind, name and namespace/name, then ": "; at most 127 bytes (NF_LOG_PREFIXLEN), without what would
/// end a line or a quoted word (felix/rules/policy.go).
[[nodiscard]] std::string kernel_log_prefix(std::string_view pattern, const PlannedPolicy& policy);

}  // namespace drywall
