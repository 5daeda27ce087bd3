// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/this_host.h"

#include <utility>

#include "machine/links.h"

namespace drywall::cli {

Host this_host(std::string node) {
  Host host;
  host.node = std::move(node);
  host.failsafe_inbound = default_failsafe_inbound();
  host.failsafe_outbound = default_failsafe_outbound();
  auto links = read_links();
  if (!links) return host;  // without interfaces only `expectedIPs` and bridges cannot be resolved
  for (Link& link : *links) host.interfaces.push_back(std::move(link.interface));
  return host;
}

}  // namespace drywall::cli
