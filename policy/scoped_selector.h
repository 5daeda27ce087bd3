// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <string_view>

#include "policy/model.h"
#include "policy/selector.h"

namespace drywall {

/// The selector of endpoints that a policy governs, with its namespace, namespaceSelector and serviceAccountSelector
/// worked in. Calico: syncersv1/updateprocessors/{global,}networkpolicyprocessor.go.
[[nodiscard]] Selector governed_endpoints(const Policy& policy);

/// What one side of a rule selects among known endpoints and network sets; nothing: any address.
///   ns  the policy's namespace; empty for global policies and profiles
/// Calico: syncersv1/updateprocessors/rules.go (GetEntityRuleSelector), felix/calc/rule_scanner.go (folding).
[[nodiscard]] std::optional<Selector> selected_peers(const EntityMatch& side, std::string_view ns);

}  // namespace drywall
