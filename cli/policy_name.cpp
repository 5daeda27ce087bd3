// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/policy_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace drywall::cli {
namespace {

constexpr std::size_t most_candidates = 10;

bool is_kind(const std::string& word) {
  return !word.empty() && std::isupper(static_cast<unsigned char>(word.front())) != 0;
}

bool means(const std::string& written, const Json& policy) {
  const std::string name = text_at(policy, "name");
  const std::string prefix = text_at(policy, "tier") + ".";
  return written == name || written == prefix + name || prefix + written == name;
}

}  // namespace

PolicyName parse_policy_name(const std::string& text) {
  PolicyName out;
  std::string rest = text;
  std::size_t slash = rest.find('/');
  if (slash != std::string::npos && is_kind(rest.substr(0, slash))) {
    out.kind = rest.substr(0, slash);
    rest.erase(0, slash + 1);
    slash = rest.find('/');
  }
  if (slash != std::string::npos) {
    out.ns = rest.substr(0, slash);
    rest.erase(0, slash + 1);
  }
  out.name = rest;
  return out;
}

std::vector<Json> named_policies(const PolicyName& name, const Json& policies) {
  std::vector<Json> found;
  for (const Json& policy : policies) {
    const bool kind_fits = name.kind.empty() || name.kind == text_at(policy, "kind");
    const bool namespace_fits = name.ns.empty() || name.ns == text_at(policy, "namespace");
    if (kind_fits && namespace_fits && means(name.name, policy)) found.push_back(policy);
  }
  return found;
}

std::string full_name(const Json& policy) {
  const std::string ns = text_at(policy, "namespace");
  return text_at(policy, "kind") + "/" + (ns.empty() ? "" : ns + "/") + text_at(policy, "name");
}

Answer<std::vector<std::string>> staged_policies(Daemon& daemon, const std::vector<std::string>& words) {
  std::vector<std::string> names;
  if (words.empty()) return names;
  const Answer<Json> policies = daemon.policies();
  if (!policies) return tl::unexpected(policies.error());
  for (const std::string& word : words) {
    const std::vector<Json> found = named_policies(parse_policy_name(word), *policies);
    std::vector<Json> staged;
    std::ranges::copy_if(found, std::back_inserter(staged),
                         [](const Json& policy) { return at(policy, "staged") == true; });
    if (staged.size() == 1) {
      names.push_back(full_name(staged[0]));
      continue;
    }
    std::vector<std::string> alike;
    for (const Json& policy : staged) alike.push_back(full_name(policy));
    if (found.empty()) alike = candidates(word, *policies);
    const std::string_view what = staged.size() > 1 ? "may mean several staged policies"
                                  : found.empty()   ? "is no policy"
                                                    : "is not staged";
    const std::string hint = alike.empty() ? "" : fmt::format(": {}", fmt::join(alike, ", "));
    return tl::unexpected(Refusal{Exit::usage, fmt::format("\"{}\" {}{}", word, what, hint)});
  }
  return names;
}

std::vector<std::string> candidates(const std::string& text, const Json& policies) {
  const std::string name = parse_policy_name(text).name;
  std::vector<std::string> alike;
  for (const Json& policy : policies) {
    const std::string other = text_at(policy, "name");
    const bool contains =
        !name.empty() && (other.find(name) != std::string::npos || name.find(other) != std::string::npos);
    if ((contains || policies.size() <= most_candidates) && alike.size() < most_candidates) {
      alike.push_back(full_name(policy));
    }
  }
  return alike;
}

}  // namespace drywall::cli
