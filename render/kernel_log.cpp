// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/kernel_log.h"

#include <algorithm>

namespace drywall {
namespace {

constexpr std::size_t longest_prefix = 127;
constexpr std::string_view prefix_end = ": ";

std::string_view short_kind(PolicyKind kind) {
  switch (kind) {
    case PolicyKind::global_network_policy:
      return "gnp";
    case PolicyKind::network_policy:
      return "np";
    case PolicyKind::kubernetes_network_policy:
      return "knp";
    case PolicyKind::cluster_network_policy:
      return "kcnp";
    case PolicyKind::profile:
      return "pro";
    case PolicyKind::staged_global_network_policy:
      return "sgnp";
    case PolicyKind::staged_network_policy:
      return "snp";
    case PolicyKind::staged_kubernetes_network_policy:
      return "sknp";
    case PolicyKind::essential:
    case PolicyKind::failsafe:
      return "";
  }
  return "";
}

/// What a letter behind a percent sign stands for; nothing: it stands for itself.
std::optional<std::string> replacement(char letter, const PlannedPolicy& policy) {
  switch (letter) {
    case 't':
      return policy.tier;
    case 'k':
      return std::string(short_kind(policy.id.kind));
    case 'n':
      return policy.id.name;
    case 'p':
      return policy.id.ns.empty() ? policy.id.name : policy.id.ns + "/" + policy.id.name;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::string kernel_log_prefix(std::string_view pattern, const PlannedPolicy& policy) {
  std::string text;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const bool last = i + 1 == pattern.size();
    const auto word = pattern[i] == '%' && !last ? replacement(pattern[i + 1], policy) : std::nullopt;
    text += word ? *word : std::string(1, pattern[i]);
    if (word) ++i;
  }
  std::ranges::replace_if(
      text, [](char c) { return c < ' ' || c == '"' || c == '\\' || c == 127; }, '_');
  text.resize(std::min(text.size(), longest_prefix - prefix_end.size()));
  return text.append(prefix_end);
}

}  // namespace drywall
