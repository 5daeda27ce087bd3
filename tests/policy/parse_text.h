// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "policy/parse.h"

namespace drywall::test {

/// A directory of one file.
inline Parsed parse_text(std::string_view text) {
  const std::vector<yaml::SourceFile> files{{"test.yaml", std::string(text)}};
  return parse(files);
}

/// Every diagnostic as "LINE:COLUMN CODE", warnings with a '?' behind.
inline std::vector<std::string> mistakes(const Parsed& parsed) {
  std::vector<std::string> out;
  for (const Diagnostic& d : parsed.diagnostics) {
    out.push_back(
        fmt::format("{}:{} {}{}", d.at.line, d.at.column, d.code, d.severity == Severity::warning ? "?" : ""));
  }
  return out;
}
inline std::vector<std::string> mistakes(std::string_view text) {
  return mistakes(parse_text(text));
}

using Strings = std::vector<std::string>;

/// A GlobalNetworkPolicy `p` whose spec is `spec`, a flow mapping that begins at line 4, column 7.
inline std::string global_policy(std::string_view spec) {
  return fmt::format("apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {{name: p}}\nspec: {}\n",
                     spec);
}

/// The same with one ingress rule: `rule` begins at line 4, column 18.
inline std::string with_rule(std::string_view rule) {
  return global_policy(fmt::format("{{ingress: [{}]}}", rule));
}

/// The rule of with_rule(), which has no mistakes.
inline Rule rule_of(std::string_view rule) {
  const Parsed parsed = parse_text(with_rule(rule));
  if (!parsed.diagnostics.empty() || parsed.inventory.policies.size() != 1) return {};
  return parsed.inventory.policies.front().ingress.front();
}

}  // namespace drywall::test
