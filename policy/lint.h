// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "policy/compile.h"
#include "policy/model.h"

namespace drywall {

/// Warnings for what is legal but surely not meant: policies and rules that select nothing here, rules that are never
/// reached, untracked traffic without a way back, Kubernetes policies that could only mean host endpoints.
///   inventory  free of errors. Without any endpoint nothing is said of what selects none: they may be written
///   elsewhere returns    sorted; at the policy or rule, without excerpts
[[nodiscard]] Diagnostics lint(const Inventory& inventory);

/// Warnings for local endpoints whose interface is a port of a bridge: its packets use the bridge, and traffic inside a
/// bridge is not policed.
///   returns  sorted; at the endpoint, without excerpts
[[nodiscard]] Diagnostics lint_bridges(const Inventory& inventory, const Host& host);

}  // namespace drywall
