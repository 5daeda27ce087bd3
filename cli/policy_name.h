// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <vector>

#include "cli/bus.h"
#include "cli/json.h"

namespace drywall::cli {

/// How a user names a policy: `[KIND/][NAMESPACE/]NAME`, where NAME and TIER.NAME are the same.
struct PolicyName {
  std::string kind;  // empty: any
  std::string ns;    // empty: any
  std::string name;
  bool operator==(const PolicyName&) const = default;
};

/// Two parts are NAMESPACE/NAME unless the first begins with a capital letter, as kinds do and namespaces cannot.
[[nodiscard]] PolicyName parse_policy_name(const std::string& text);

/// The policies of `drywall policies` that the name may mean.
[[nodiscard]] std::vector<Json> named_policies(const PolicyName& name, const Json& policies);

/// `KIND/NAMESPACE/NAME`, as a user would write it to mean this policy and no other.
[[nodiscard]] std::string full_name(const Json& policy);

/// Names of policies that look like `text`, or all of them if few; for "there is no such policy".
[[nodiscard]] std::vector<std::string> candidates(const std::string& text, const Json& policies);

/// The staged policies that the user's words mean, by their full names, as drywalld has them.
///   errors  a word means none, or several (Exit::usage, with the candidates); one is not staged
[[nodiscard]] Answer<std::vector<std::string>> staged_policies(Daemon& daemon, const std::vector<std::string>& words);

}  // namespace drywall::cli
