// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>

#include "policy/draft.h"

namespace drywall::reading {

/// GlobalNetworkPolicy, NetworkPolicy, StagedGlobalNetworkPolicy and StagedNetworkPolicy of projectcalico.org/v3.
void read_calico_policy(Document& document, PolicyKind kind);

/// `stagedAction` of a staged kind, Set if it is not written; in an enforced kind a warning or a mistake, and nothing.
[[nodiscard]] std::optional<StagedAction> read_staged_action(Fields& spec, PolicyKind kind);

/// Refuses every field of a staged policy that announces a deletion, except those in `allowed`.
[[nodiscard]] bool refuse_fields_of_deletion(Fields& spec, std::initializer_list<std::string_view> allowed);

/// Which directions a policy governs, from `types` or `policyTypes`; nothing if the field is absent.
struct Governed {
  bool ingress = false;
  bool egress = false;
};
[[nodiscard]] std::optional<Governed> read_types(Fields& spec, std::string_view key);

/// A policy of this document, with what its metadata says.
[[nodiscard]] Policy begin_policy(const Document& document, PolicyKind kind);

}  // namespace drywall::reading
