// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/scoped_selector.h"

namespace drywall {
namespace {

const char* const namespace_label = "projectcalico.org/namespace";
const char* const service_account_label = "projectcalico.org/serviceaccount";

Selector both(const std::optional<Selector>& left, const Selector& right) {
  return left ? Selector::conjunction(*left, right) : right;
}

Selector on_namespaces(const Selector& selector) {
  return selector.with_label_prefix("pcns.");
}
Selector on_service_accounts(const Selector& selector) {
  return selector.with_label_prefix("pcsa.");
}

Selector of_namespaced_policy(const Policy& policy) {
  const Selector own = Selector::equals(namespace_label, policy.id.ns);
  Selector governed = policy.selector_text.empty() ? own : Selector::conjunction(policy.selector, own);
  if (policy.service_account_selector) {
    governed = Selector::conjunction(governed, on_service_accounts(*policy.service_account_selector));
  }
  return governed;
}

Selector of_global_policy(const Policy& policy) {
  std::optional<Selector> governed;
  if (!policy.selector_text.empty()) governed = policy.selector;
  if (policy.namespace_selector) {
    governed =
        both(governed, on_namespaces(*policy.namespace_selector)).with_all_replaced(Selector::has(namespace_label));
  }
  if (policy.service_account_selector) {
    governed = both(governed, on_service_accounts(*policy.service_account_selector))
                   .with_all_replaced(Selector::has(service_account_label));
  }
  return governed.value_or(Selector::all());
}

std::optional<Selector> namespace_term(const EntityMatch& side, std::string_view ns) {
  if (side.namespace_selector) {
    const Selector namespaced = Selector::has(namespace_label);
    return on_namespaces(*side.namespace_selector)
        .with_all_replaced(namespaced)
        .with_global_replaced(Selector::negation(namespaced));
  }
  if (!ns.empty()) return Selector::equals(namespace_label, std::string(ns));
  return std::nullopt;
}

std::optional<Selector> own_term(const EntityMatch& side) {
  std::optional<Selector> own;
  if (side.service_account_selector) own = on_service_accounts(*side.service_account_selector);
  if (!side.service_account_names.empty()) {
    own = both(own, Selector::in(service_account_label, side.service_account_names));
  }
  if (side.selector) own = both(own, *side.selector);
  return own;
}

}  // namespace

Selector governed_endpoints(const Policy& policy) {
  return policy.id.ns.empty() ? of_global_policy(policy) : of_namespaced_policy(policy);
}

std::optional<Selector> selected_peers(const EntityMatch& side, std::string_view ns) {
  std::optional<Selector> selected = own_term(side);
  const std::optional<Selector> scope = namespace_term(side, ns);
  if (scope && (selected || side.not_selector || side.namespace_selector)) {
    selected = selected ? Selector::conjunction(*scope, *selected) : *scope;
  }
  // A positive and a negative selector are judged on the same endpoint's labels, not on the address alone.
  if (selected && side.not_selector) {
    selected = Selector::conjunction(*selected, Selector::negation(*side.not_selector));
  }
  return selected;
}

}  // namespace drywall
