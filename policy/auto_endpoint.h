// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <string_view>

#include "policy/diagnostic.h"
#include "policy/model.h"

// `host_endpoint: auto` of drywall.yaml: a HostEndpoint that no document declares.

namespace drywall {

/// The labels that /etc/os-release gives a host: os/id (debian), os/version-id (12), os/version-codename (bookworm) and
/// os/variant-id, as far as it has them and they can be a label's value.
///   text  as os-release(5) describes it; untrusted
[[nodiscard]] Labels os_labels(std::string_view text);

/// HostEndpoint NODE-auto of all interfaces that no other endpoint governs, with the profile
/// projectcalico-default-allow: by itself it denies nothing.
///   at  of the key host_endpoint
[[nodiscard]] HostEndpoint auto_endpoint(const std::string& node, Labels labels, SourceLocation at);

/// One error at each document that declares what `automatic` is too: the same name, or the same node's interface `*`.
[[nodiscard]] Diagnostics clashes(const HostEndpoint& automatic, const Inventory& inventory);

}  // namespace drywall
