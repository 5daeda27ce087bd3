// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "policy/draft.h"

namespace drywall::reading {

/// ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2, converted to Calico's form as Calico does
/// (libcalico-go/lib/backend/k8s/conversion/clusternetworkpolicy.go), except that what it would drop is a mistake.
void read_cluster_policy(Document& document);

}  // namespace drywall::reading
