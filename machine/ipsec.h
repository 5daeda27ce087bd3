// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>

#include "policy/result.h"

namespace drywall {

/// How many of the kernel's IPsec policies take incoming or forwarded packets out of tunnels that have no interface of
/// their own (no if_id): what comes out of such a tunnel meets the rules with the outer interface. 0 without IPsec.
///   errors  EPERM: CAP_NET_ADMIN is missing
[[nodiscard]] Result<std::size_t> count_ipsec_policies_without_interface();

}  // namespace drywall
