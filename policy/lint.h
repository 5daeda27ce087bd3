// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "policy/model.h"

namespace drywall {

/// Warnings for what is legal but surely not meant: policies and rules that select nothing here, rules that are never
/// reached, untracked traffic without a way back, Kubernetes policies that could only mean host endpoints.
///   inventory  free of errors. Without any endpoint nothing is said of what selects none: they may be written
///   elsewhere returns    sorted; at the policy or rule, without excerpts
[[nodiscard]] Diagnostics lint(const Inventory& inventory);

}  // namespace drywall
