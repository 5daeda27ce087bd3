// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/parse_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "policy/name.h"
#include "policy/parse_rule.h"
#include "policy/spelling.h"

namespace drywall::reading {
namespace {

constexpr std::string_view tier_label = "projectcalico.org/tier";

bool is_global(PolicyKind kind) {
  return enforced_kind(kind) == PolicyKind::global_network_policy;
}

/// As Go sees it: a field with this value might as well be absent.
bool is_zero(const yaml::Node& node) {
  switch (node.type) {
    case yaml::Type::null:
      return true;
    case yaml::Type::sequence:
      return node.items.empty();
    case yaml::Type::mapping:
      return node.entries.empty();
    case yaml::Type::scalar:
      return node.text.empty() || (meaning_of(node) == Meaning::boolean && node.text.size() == 5);
  }
  return false;
}

/// A selector that says which endpoints a policy governs.
std::optional<Selector> read_subject(Fields& spec, std::string_view key) {
  auto selector = spec.selector(key);
  if (!selector || !selector->mentions_global()) return selector;
  spec.reader().error(*spec.find(key), "global-not-allowed", fmt::format("{} cannot contain global()", key),
                      "global() can only be the namespaceSelector of a rule's source or destination");
  return {};
}

std::string read_tier_name(Document& document, Fields& spec) {
  const auto name = spec.text("tier");
  if (!name) return "default";
  document.draft.tiers_named.push_back({std::string(*name), document.reader.place(*spec.find("tier"))});
  return std::string(*name);
}

void check_performance_hints(Fields& spec) {
  constexpr std::size_t most = 16;
  bool seen = false;
  for (const yaml::Node& node : spec.items("performanceHints", most)) {
    if (!spec.reader().word(node, "a performance hint", "bad-hint", {"AssumeNeededOnEveryNode"})) continue;
    if (std::exchange(seen, true)) {
      spec.reader().error(node, "duplicate-entry", fmt::format("{} is listed twice", in_quotes(node.text)),
                          "leave one out");
    }
  }
}

/// Untracked and preDNAT policies need applyOnForward, exclude each other, and preDNAT has no egress.
void read_host_options(Fields& spec, Policy& policy) {
  Reader& reader = spec.reader();
  policy.untracked = spec.boolean("doNotTrack").value_or(false);
  policy.pre_dnat = spec.boolean("preDNAT").value_or(false);
  policy.apply_on_forward = spec.boolean("applyOnForward").value_or(false);
  if (policy.untracked && policy.pre_dnat) {
    reader.error(*spec.find("preDNAT"), "untracked-and-pre-dnat", "doNotTrack and preDNAT exclude each other",
                 "write two policies");
  }
  if (!policy.apply_on_forward && (policy.untracked || policy.pre_dnat)) {
    const std::string_view key = policy.untracked ? "doNotTrack" : "preDNAT";
    reader.error(*spec.find(key), "needs-apply-on-forward",
                 fmt::format("{} also judges forwarded packets, so it needs applyOnForward", key),
                 "write \"applyOnForward: true\" beside it");
  }
}

void check_pre_dnat(Fields& spec, const Policy& policy, const std::optional<Governed>& types) {
  if (!policy.pre_dnat) return;
  Reader& reader = spec.reader();
  if (!policy.egress.empty()) {
    reader.error(spec.key("egress"), "pre-dnat-egress", "a preDNAT policy cannot have egress rules",
                 "leave \"egress\" out: preDNAT judges packets only as they arrive");
  }
  if (types && types->egress) {
    reader.error(*spec.find("types"), "pre-dnat-egress", "a preDNAT policy cannot have the type Egress",
                 "write \"types: [Ingress]\"");
  }
}

/// What `types` is if it is not written (api/pkg/defaults/networkpolicy.go).
Governed default_types(const Policy& policy) {
  if (policy.egress.empty()) return {true, false};
  return {!policy.ingress.empty(), true};
}

void read_rules_and_types(Fields& spec, Policy& policy, RuleOwner owner) {
  policy.ingress = read_rules(spec, Direction::ingress, owner);
  policy.egress = read_rules(spec, Direction::egress, owner);
  const std::optional<Governed> types = read_types(spec, "types");
  check_pre_dnat(spec, policy, types);
  const Governed governed = types.value_or(default_types(policy));
  policy.governs_ingress = governed.ingress;
  policy.governs_egress = governed.egress;
}

void read_spec(Fields& spec, Policy& policy) {
  const bool global = is_global(policy.id.kind);
  policy.order = spec.number("order");
  if (const yaml::Node* selector = spec.find("selector"); selector != nullptr) policy.selector_text = selector->text;
  policy.selector = read_subject(spec, "selector").value_or(Selector());
  policy.service_account_selector = read_subject(spec, "serviceAccountSelector");
  if (global) {
    policy.namespace_selector = read_subject(spec, "namespaceSelector");
    read_host_options(spec, policy);
  }
  read_rules_and_types(spec, policy, global ? RuleOwner::global_policy : RuleOwner::namespaced_policy);
  check_performance_hints(spec);
}

std::string_view staged_file_kind(PolicyKind kind) {
  for (const PolicyKind staged : {PolicyKind::staged_global_network_policy, PolicyKind::staged_network_policy,
                                  PolicyKind::staged_kubernetes_network_policy}) {
    if (enforced_kind(staged) == kind) return file_kind(staged);
  }
  return {};
}

/// A stagedAction in an enforced kind. Set is left over from a promotion by hand and does no harm.
void report_staged_action(Reader& reader, const yaml::Node& node, PolicyKind kind) {
  constexpr std::string_view code = "staged-action-in-enforced";
  if (node.text == "Set") {
    reader.warning(node, code, fmt::format("{} is enforced: stagedAction means nothing", file_kind(kind)),
                   "leave the line out");
    return;
  }
  const std::string_view staged = staged_file_kind(kind);
  reader.error(node, code,
               fmt::format("{} is enforced, but its stagedAction is {}", file_kind(kind), in_quotes(node.text)),
               staged.empty() ? "leave the line out: this kind cannot be staged"
                              : fmt::format("write \"kind: {}\", or leave the line out", staged));
}

void add_hints(Fields& spec, bool global) {
  spec.hint({"podSelector"}, "a Calico policy has \"selector: role == 'db'\"; podSelector is for networking.k8s.io/v1");
  spec.hint({"policyTypes"}, "write \"types\"; policyTypes is for networking.k8s.io/v1");
  spec.hint({"action", "source", "destination", "protocol"}, "write it in a rule, below \"ingress:\" or \"egress:\"");
  spec.hint({"rules"}, "write \"ingress:\" or \"egress:\"");
  spec.hint({"priority"}, "write \"order\": the smallest is judged first");
  if (global) return;
  spec.hint({"doNotTrack", "preDNAT", "applyOnForward", "namespaceSelector"},
            "only a GlobalNetworkPolicy can have it: write \"kind: GlobalNetworkPolicy\" or leave it out");
}

void finish_spec(Fields& spec, Policy& policy) {
  read_spec(spec, policy);
  add_hints(spec, is_global(policy.id.kind));
  spec.done();
}

}  // namespace

void read_calico_policy(Document& document, PolicyKind kind) {
  Policy policy = begin_policy(document, kind);
  Fields spec(document.reader, document.fields.find("spec"), "spec");
  policy.tier = read_tier_name(document, spec);
  policy.labels.insert_or_assign(std::string(tier_label), policy.tier);
  policy.staged_action = read_staged_action(spec, kind);
  if (policy.staged_action == StagedAction::remove) {
    Policy empty = policy;
    if (refuse_fields_of_deletion(spec, {"stagedAction", "tier", "types"})) finish_spec(spec, empty);
  } else {
    finish_spec(spec, policy);
  }
  document.draft.inventory.policies.push_back(std::move(policy));
}

std::optional<StagedAction> read_staged_action(Fields& spec, PolicyKind kind) {
  const yaml::Node* node = spec.find("stagedAction");
  const auto text = node == nullptr ? std::nullopt : spec.text("stagedAction");
  if (!is_staged(kind)) {
    if (text) report_staged_action(spec.reader(), *node, kind);
    return {};
  }
  if (!text) return StagedAction::set;
  const auto index =
      spec.reader().word(*node, "stagedAction", "bad-staged-action", {"Set", "Delete", "Learn", "Ignore"});
  return index ? static_cast<StagedAction>(*index) : StagedAction::set;
}

bool refuse_fields_of_deletion(Fields& spec, std::initializer_list<std::string_view> allowed) {
  if (!spec.present()) return false;
  bool fits = true;
  for (const auto& [key, value] : spec.node().entries) {
    if (std::find(allowed.begin(), allowed.end(), key.text) != allowed.end() || is_zero(value)) continue;
    fits = false;
    spec.reader().error(
        key, "deletion-with-rules",
        fmt::format("stagedAction Delete announces a deletion, so {} means nothing", in_quotes(key.text)),
        "leave the field out, or write \"stagedAction: Set\" to announce a change");
  }
  return fits;
}

std::optional<Governed> read_types(Fields& spec, std::string_view key) {
  constexpr std::size_t most = 2;
  const yaml::Node* node = spec.find(key);
  if (node == nullptr) return {};
  Reader& reader = spec.reader();
  const std::span<const yaml::Node> items = reader.items(*node, key, most);
  if (node->type == yaml::Type::sequence && items.empty()) {
    reader.error(*node, "no-types", fmt::format("{} is empty", key),
                 "write Ingress, Egress or both, or leave the field out");
  }
  Governed governed;
  for (const yaml::Node& item : items) {
    const auto index = reader.word(item, "a type", "bad-type", {"Ingress", "Egress"});
    if (!index) continue;
    bool& governs = *index == 0 ? governed.ingress : governed.egress;
    if (std::exchange(governs, true)) {
      reader.error(item, "duplicate-entry", fmt::format("the type {} is listed twice", item.text), "leave one out");
    }
  }
  return governed;
}

Policy begin_policy(const Document& document, PolicyKind kind) {
  Policy policy;
  policy.id = {kind, document.metadata.ns, document.metadata.name};
  policy.labels = document.metadata.labels;
  policy.annotations = document.metadata.annotations;
  policy.at = document.at;
  return policy;
}

}  // namespace drywall::reading
