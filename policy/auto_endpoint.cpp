// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/auto_endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "policy/name.h"

namespace drywall {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 4> os_keys{{
    {"ID", "os/id"},
    {"VERSION_ID", "os/version-id"},
    {"VERSION_CODENAME", "os/version-codename"},
    {"VARIANT_ID", "os/variant-id"},
}};

/// The value without the quotes of a shell; what these keys hold needs no escapes.
std::string_view unquoted(std::string_view value) {
  const bool quoted =
      value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front();
  return quoted ? value.substr(1, value.size() - 2) : value;
}

}  // namespace

Labels os_labels(std::string_view text) {
  Labels labels;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    for (const auto& [key, label] : os_keys) {
      if (!line.starts_with(key) || line.substr(key.size(), 1) != "=") continue;
      const std::string_view value = unquoted(line.substr(key.size() + 1));
      if (!value.empty() && reading::is_label_value(value))
        labels.insert_or_assign(std::string(label), std::string(value));
    }
  }
  return labels;
}

HostEndpoint auto_endpoint(const std::string& node, Labels labels, SourceLocation at) {
  HostEndpoint endpoint;
  endpoint.name = node + "-auto";
  endpoint.labels = std::move(labels);
  endpoint.node = node;
  endpoint.interface_name = "*";
  endpoint.profiles = {"projectcalico-default-allow"};
  endpoint.at = std::move(at);
  return endpoint;
}

Diagnostics clashes(const HostEndpoint& automatic, const Inventory& inventory) {
  Diagnostics out;
  for (const HostEndpoint& written : inventory.host_endpoints) {
    const bool same_interface = written.node == automatic.node && written.interface_name == "*";
    if (!same_interface && written.name != automatic.name) continue;
    out.push_back({written.at,
                   1,
                   Severity::error,
                   "host-endpoint-clash",
                   fmt::format("HostEndpoint {} is also what \"host_endpoint: auto\" makes, at {}",
                               same_interface ? "of all interfaces" : written.name, to_string(automatic.at)),
                   "remove one of the two",
                   {}});
  }
  return out;
}

}  // namespace drywall
