// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/model.h"

#include <fmt/format.h>

namespace drywall {

bool is_staged(PolicyKind kind) {
  return enforced_kind(kind) != kind;
}

PolicyKind enforced_kind(PolicyKind kind) {
  switch (kind) {
    case PolicyKind::staged_global_network_policy:
      return PolicyKind::global_network_policy;
    case PolicyKind::staged_network_policy:
      return PolicyKind::network_policy;
    case PolicyKind::staged_kubernetes_network_policy:
      return PolicyKind::kubernetes_network_policy;
    case PolicyKind::global_network_policy:
    case PolicyKind::network_policy:
    case PolicyKind::kubernetes_network_policy:
    case PolicyKind::cluster_network_policy:
    case PolicyKind::profile:
    case PolicyKind::failsafe:
    case PolicyKind::essential:
      return kind;
  }
  return kind;
}

std::string_view file_kind(PolicyKind kind) {
  switch (kind) {
    case PolicyKind::kubernetes_network_policy:
      return "NetworkPolicy";
    case PolicyKind::cluster_network_policy:
      return "ClusterNetworkPolicy";
    case PolicyKind::global_network_policy:
    case PolicyKind::network_policy:
    case PolicyKind::staged_global_network_policy:
    case PolicyKind::staged_network_policy:
    case PolicyKind::staged_kubernetes_network_policy:
    case PolicyKind::profile:
    case PolicyKind::failsafe:
    case PolicyKind::essential:
      return model_kind(kind);
  }
  return {};
}

std::string_view model_kind(PolicyKind kind) {
  switch (kind) {
    case PolicyKind::global_network_policy:
      return "GlobalNetworkPolicy";
    case PolicyKind::network_policy:
      return "NetworkPolicy";
    case PolicyKind::kubernetes_network_policy:
      return "KubernetesNetworkPolicy";
    case PolicyKind::cluster_network_policy:
      return "KubernetesClusterNetworkPolicy";
    case PolicyKind::staged_global_network_policy:
      return "StagedGlobalNetworkPolicy";
    case PolicyKind::staged_network_policy:
      return "StagedNetworkPolicy";
    case PolicyKind::staged_kubernetes_network_policy:
      return "StagedKubernetesNetworkPolicy";
    case PolicyKind::profile:
      return "Profile";
    case PolicyKind::failsafe:
      return "Failsafe";
    case PolicyKind::essential:
      return "Essential";
  }
  return {};
}

std::string to_string(const PolicyId& id) {
  if (id.ns.empty()) return fmt::format("{} {}", file_kind(id.kind), id.name);
  return fmt::format("{} {}/{}", file_kind(id.kind), id.ns, id.name);
}

std::string full_name(const PolicyId& id) {
  return fmt::format("{}/{}{}{}", file_kind(id.kind), id.ns, id.ns.empty() ? "" : "/", id.name);
}

std::string_view to_string(Action action) {
  switch (action) {
    case Action::allow:
      return "allow";
    case Action::deny:
      return "deny";
    case Action::pass:
      return "pass";
    case Action::log:
      return "log";
  }
  return {};
}

std::string_view to_string(Direction direction) {
  return direction == Direction::ingress ? "ingress" : "egress";
}

std::string_view to_string(Bucket bucket) {
  switch (bucket) {
    case Bucket::untracked:
      return "untracked";
    case Bucket::pre_dnat:
      return "preDNAT";
    case Bucket::normal:
      return "normal";
    case Bucket::forward:
      return "forward";
  }
  return {};
}

std::string_view to_string(StagedAction action) {
  switch (action) {
    case StagedAction::set:
      return "Set";
    case StagedAction::remove:
      return "Delete";
    case StagedAction::learn:
      return "Learn";
    case StagedAction::ignore:
      return "Ignore";
  }
  return {};
}

}  // namespace drywall
