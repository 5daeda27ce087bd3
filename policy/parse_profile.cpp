// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/parse_profile.h"

#include <algorithm>
#include <utility>

#include "policy/parse_metadata.h"
#include "policy/parse_rule.h"

namespace drywall::reading {
namespace {

constexpr std::string_view name_label = "projectcalico.org/name";

std::vector<Rule> allow_everything(const SourceLocation& at) {
  Rule rule;
  rule.action = Action::allow;
  rule.at = at;
  return {rule};
}

Labels prefixed(std::string_view prefix, const Labels& labels, const std::string& name) {
  Labels out;
  for (const auto& [key, value] : labels) out.emplace(std::string(prefix).append(key), value);
  out.insert_or_assign(std::string(prefix).append(name_label), name);
  return out;
}

/// Whether the two do the same, wherever they stand.
bool same_effect(Profile a, const Profile& b) {
  for (std::vector<Rule>* rules : {&a.ingress, &a.egress}) {
    for (Rule& rule : *rules) rule.at = {};
  }
  return a.labels_to_apply == b.labels_to_apply && a.ingress == b.ingress && a.egress == b.egress;
}

void add_profile(Document& document, Profile profile) {
  document.draft.profiles.insert(profile.name);
  document.draft.inventory.profiles.push_back(std::move(profile));
}

}  // namespace

Profile profile_of_namespace(const std::string& name, const Labels& labels, SourceLocation at) {
  Profile profile;
  profile.name = "kns." + name;
  profile.labels_to_apply = prefixed("pcns.", labels, name);
  profile.ingress = allow_everything(at);
  profile.egress = allow_everything(at);
  profile.at = std::move(at);
  return profile;
}

Profile allow_all_profile() {
  Profile profile;
  profile.name = default_allow;
  profile.ingress = allow_everything({});
  profile.egress = allow_everything({});
  return profile;
}

void read_profile(Document& document) {
  Profile profile;
  profile.name = document.metadata.name;
  profile.at = document.at;
  Fields spec(document.reader, document.fields.find("spec"), "spec");
  profile.ingress = read_rules(spec, Direction::ingress, RuleOwner::profile);
  profile.egress = read_rules(spec, Direction::egress, RuleOwner::profile);
  if (const yaml::Node* labels = spec.find("labelsToApply")) {
    profile.labels_to_apply = read_labels(document.reader, *labels, "labelsToApply");
  }
  spec.hint({"labels", "tags"}, "write \"labelsToApply\"");
  spec.hint({"selector", "order", "types"}, "a Profile has none: endpoints name it in their \"profiles\"");
  spec.done();
  if (profile.name != default_allow) {
    add_profile(document, std::move(profile));
    return;
  }
  if (!same_effect(std::move(profile), allow_all_profile())) {
    document.reader.error(document.metadata.at, "built-in-profile",
                          "the built-in profile projectcalico-default-allow allows everything",
                          "leave the document out, or give the profile another name");
  }
}

void read_namespace(Document& document) {
  document.draft.namespaces.insert(document.metadata.name);
  Fields spec(document.reader, document.fields.find("spec"), "spec");
  spec.accept({"finalizers"});
  spec.done();
  add_profile(document, profile_of_namespace(document.metadata.name, document.metadata.labels, document.at));
}

void read_service_account(Document& document) {
  Profile profile;
  profile.name = "ksa." + document.metadata.ns + "." + document.metadata.name;
  profile.labels_to_apply = prefixed("pcsa.", document.metadata.labels, document.metadata.name);
  profile.at = document.at;
  document.fields.accept({"secrets", "imagePullSecrets", "automountServiceAccountToken"});
  add_profile(document, std::move(profile));
}

}  // namespace drywall::reading
