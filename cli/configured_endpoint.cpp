// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/configured_endpoint.h"

#include <utility>

#include "cli/policy_files.h"
#include "machine/host_name.h"
#include "machine/os_release.h"
#include "policy/auto_endpoint.h"

namespace drywall::cli {

void add_configured_endpoint(Inventory& inventory, const std::string& node) {
  if (configured("host_endpoint") != "auto") return;
  Labels labels = configured_labels();
  labels.merge(os_labels(read_os_release()));
  const std::string name = node.empty() ? configured("node").value_or(host_name()) : node;
  HostEndpoint automatic = auto_endpoint(name, std::move(labels), {configuration_file, 0, 0});
  if (clashes(automatic, inventory).empty()) inventory.host_endpoints.push_back(std::move(automatic));
}

}  // namespace drywall::cli
