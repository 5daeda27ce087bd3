// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "policy/net.h"
#include "policy/reader.h"

namespace drywall::reading {

/// What is allowed besides a block whose address has no bits below its length.
enum class NetForm {
  masked,    // nothing: the nets of a rule
  unmasked,  // bits below the length, which are cleared: Kubernetes' ipBlock
  any,       // those, and a bare address: network sets
};

[[nodiscard]] std::optional<Prefix> read_net(Reader& reader, const yaml::Node& node, NetForm form);
[[nodiscard]] std::optional<Address> read_address(Reader& reader, const yaml::Node& node, std::string_view what);
/// ADDRESS, ADDRESS/32 or ADDRESS/128.
[[nodiscard]] std::optional<Address> read_host_net(Reader& reader, const yaml::Node& node, std::string_view what);

[[nodiscard]] std::string_view name_of(Family family);  // "IPv4"

}  // namespace drywall::reading
