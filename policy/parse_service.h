// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "policy/draft.h"

namespace drywall::reading {

/// The service in the inventory, new if need be.
[[nodiscard]] Service& service_named(Draft& draft, const std::string& ns, const std::string& name,
                                     const SourceLocation& at);

/// Service of v1: only that it exists.
void read_service(Document& document);
/// EndpointSlice of discovery.k8s.io/v1: adds its endpoints to the service that its label kubernetes.io/service-name
/// names (felix/serviceindex: ready or not, TCP if no protocol is written).
void read_endpoint_slice(Document& document);

}  // namespace drywall::reading
