// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/diagnostic.h"
#include "policy/model.h"
#include "policy/plan.h"
#include "policy/yaml.h"
#include "render/lower.h"

namespace drywall {

/// Whether our tables are ours alone while the daemon runs, where the kernel offers it.
enum class OwnTables : std::uint8_t { no, where_offered };

enum class LogLevel : std::uint8_t { error, warning, info, debug };

/// How much must have been seen before a staged policy is ready to be promoted.
struct PromotionConfig {
  std::chrono::seconds min_observed{3600};  // under its present content
  std::uint32_t min_flows = 1;
  bool operator==(const PromotionConfig&) const = default;
};

/// drywall.yaml. What is absent in the file has its default here; what a FelixConfiguration may set too is optional, so
/// that a clash can be told.
struct Config {
  std::string node;        // empty: the host's name, lower case
  std::string policy_dir;  // empty: /etc/drywall/policy.d
  bool watch = true;
  std::chrono::milliseconds quiet{200};
  std::uint16_t nflog_group = 4242;
  LogEnforced log_enforced = LogEnforced::all;
  HookPriorities priorities;
  OwnTables own_tables = OwnTables::no;
  std::optional<std::vector<FailsafePort>> failsafe_inbound;
  std::optional<std::vector<FailsafePort>> failsafe_outbound;
  std::optional<std::vector<std::string>> workload_prefixes;
  std::optional<EndpointToHost> endpoint_to_host;
  std::optional<DenyAction> deny_action;
  PromotionConfig promotion;
  LogLevel log_level = LogLevel::info;
  bool has_auto_endpoint = false;  // host_endpoint: auto
  Labels labels;                   // of that endpoint, beside os-release's
  /// Where each key that the file sets stands, with the text of its line.
  struct Place {
    SourceLocation at;
    std::uint32_t length = 1;
    std::string excerpt;
    bool operator==(const Place&) const = default;
  };
  std::map<std::string, Place, std::less<>> places;
  bool operator==(const Config&) const = default;
};

struct LoadedConfig {
  Config config;  // with the defaults in place of what is wrong
  Diagnostics diagnostics;
};

/// Reads drywall.yaml.
///   file    untrusted
///   errors  as Diagnostics, all at once: unknown key, bad value
[[nodiscard]] LoadedConfig load_config(const yaml::SourceFile& file);

/// One error at each of both places for each thing that drywall.yaml and a FelixConfiguration both set.
[[nodiscard]] Diagnostics clashes(const Config& config, const HostSettings& settings);

/// `tcp:22`, `udp:10.0.0.0/8:53`, `tcp:[2001:db8::]/32:22`, or a port alone for TCP; Felix's form.
[[nodiscard]] std::optional<FailsafePort> parse_failsafe_port(std::string_view text);
[[nodiscard]] std::string to_string(const FailsafePort& port);

}  // namespace drywall
