// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <vector>

#include "policy/compile_memo.h"
#include "policy/model.h"
#include "policy/plan.h"

namespace drywall {

/// One network interface of the host, as far as policy needs it.
struct Interface {
  std::string name;
  std::vector<Address> addresses;
  std::string bridge = {};  // that it is a port of; empty: none
  bool operator==(const Interface&) const = default;
};

/// The host that a Plan is made for: everything that is not in the policy directory.
struct Host {
  std::string node;  // empty: every endpoint of the directory is local
  std::vector<Interface> interfaces;
  std::vector<FailsafePort> failsafe_inbound;  // Calico's defaults: default_failsafe_inbound()
  std::vector<FailsafePort> failsafe_outbound;
  std::vector<std::string> workload_prefixes;
  EndpointToHost endpoint_to_host = EndpointToHost::drop;
  DenyAction deny_action = DenyAction::drop;
  bool drop_invalid = true;
  bool operator==(const Host&) const = default;

  /// The bridge that an interface is a port of; empty: none.
  [[nodiscard]] std::string bridge_of(const std::string& interface) const;
};

/// Felix's defaults (felix/config/config_params.go).
[[nodiscard]] std::vector<FailsafePort> default_failsafe_inbound();
[[nodiscard]] std::vector<FailsafePort> default_failsafe_outbound();

/// What the host does in one world. Staged-ness is decided here and nowhere after.
///   inventory  free of errors; its settings win over the host's
[[nodiscard]] Plan compile(const Inventory& inventory, const Host& host, World world);
/// The same, but what the memo knows is not made again.
[[nodiscard]] Plan compile(const Inventory& inventory, const Host& host, World world, CompileMemo& memo);

}  // namespace drywall
