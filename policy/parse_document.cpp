// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/parse_document.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/parse_cluster_policy.h"
#include "policy/parse_endpoint.h"
#include "policy/parse_felix.h"
#include "policy/parse_kubernetes.h"
#include "policy/parse_metadata.h"
#include "policy/parse_policy.h"
#include "policy/parse_profile.h"
#include "policy/parse_service.h"
#include "policy/parse_set.h"
#include "policy/parse_tier.h"
#include "policy/spelling.h"

namespace drywall::reading {
namespace {

constexpr std::string_view calico = "projectcalico.org/v3";
constexpr std::string_view kubernetes_networking = "networking.k8s.io/v1";
constexpr std::string_view cluster_policies = "policy.networking.k8s.io/v1alpha2";
constexpr std::string_view discovery = "discovery.k8s.io/v1";
constexpr std::string_view core = "v1";

/// A kind of resource that can be written in a policy directory.
struct Kind {
  std::string_view api_version;
  std::string_view name;
  std::string_view identity;  // what makes two of them duplicates; "NetworkPolicy" is two different kinds
  Scope scope;
  NameForm form;
  void (*read)(Document&);
};

template <PolicyKind kind>
void read_policy(Document& document) {
  read_calico_policy(document, kind);
}
template <PolicyKind kind>
void read_k8s(Document& document) {
  read_kubernetes_policy(document, kind);
}

using enum PolicyKind;
constexpr std::array<Kind, 18> kinds{{
    {calico, "GlobalNetworkPolicy", "GlobalNetworkPolicy", Scope::global, NameForm::global_policy,
     read_policy<global_network_policy>},
    {calico, "NetworkPolicy", "NetworkPolicy", Scope::namespaced, NameForm::network_policy,
     read_policy<network_policy>},
    {calico, "StagedGlobalNetworkPolicy", "StagedGlobalNetworkPolicy", Scope::global, NameForm::global_policy,
     read_policy<staged_global_network_policy>},
    {calico, "StagedNetworkPolicy", "StagedNetworkPolicy", Scope::namespaced, NameForm::network_policy,
     read_policy<staged_network_policy>},
    {calico, "StagedKubernetesNetworkPolicy", "StagedKubernetesNetworkPolicy", Scope::namespaced, NameForm::subdomain,
     read_k8s<staged_kubernetes_network_policy>},
    {kubernetes_networking, "NetworkPolicy", "KubernetesNetworkPolicy", Scope::namespaced, NameForm::subdomain,
     read_k8s<kubernetes_network_policy>},
    {cluster_policies, "ClusterNetworkPolicy", "ClusterNetworkPolicy", Scope::global, NameForm::subdomain,
     read_cluster_policy},
    {calico, "Tier", "Tier", Scope::global, NameForm::label, read_tier},
    {calico, "HostEndpoint", "HostEndpoint", Scope::global, NameForm::subdomain, read_host_endpoint},
    {calico, "WorkloadEndpoint", "WorkloadEndpoint", Scope::namespaced, NameForm::subdomain, read_workload_endpoint},
    {calico, "NetworkSet", "NetworkSet", Scope::namespaced, NameForm::subdomain, read_network_set},
    {calico, "GlobalNetworkSet", "GlobalNetworkSet", Scope::global, NameForm::subdomain, read_network_set},
    {calico, "Profile", "Profile", Scope::global, NameForm::subdomain, read_profile},
    {calico, "FelixConfiguration", "FelixConfiguration", Scope::global, NameForm::subdomain, read_felix_configuration},
    {core, "Namespace", "Namespace", Scope::global, NameForm::label, read_namespace},
    {core, "ServiceAccount", "ServiceAccount", Scope::namespaced, NameForm::subdomain, read_service_account},
    {core, "Service", "Service", Scope::namespaced, NameForm::subdomain, read_service},
    {discovery, "EndpointSlice", "EndpointSlice", Scope::namespaced, NameForm::subdomain, read_endpoint_slice},
}};

/// A kind that somebody might write and that we refuse, with what to write instead.
struct Refused {
  std::string_view name;
  std::string_view help;
};
constexpr std::array<Refused, 4> refused{{
    {"AdminNetworkPolicy",
     "write apiVersion policy.networking.k8s.io/v1alpha2, kind ClusterNetworkPolicy and \"tier: Admin\""},
    {"BaselineAdminNetworkPolicy",
     "write apiVersion policy.networking.k8s.io/v1alpha2, kind ClusterNetworkPolicy and \"tier: Baseline\""},
    {"CalicoNetworkPolicy", "write \"kind: NetworkPolicy\" with \"apiVersion: projectcalico.org/v3\""},
    {"StagedCalicoNetworkPolicy", "write \"kind: StagedNetworkPolicy\" with \"apiVersion: projectcalico.org/v3\""},
}};

/// The API version and kind of a resource; in a list they may be left to the list.
struct TypeMeta {
  std::string_view api_version;
  std::string_view kind;
  const yaml::Node* api_version_node = nullptr;
  const yaml::Node* kind_node = nullptr;
};

const Kind* find_kind(std::string_view api_version, std::string_view name) {
  const auto at = std::find_if(kinds.begin(), kinds.end(),
                               [&](const Kind& k) { return k.api_version == api_version && k.name == name; });
  return at == kinds.end() ? nullptr : &*at;
}

std::vector<std::string_view> versions_of(std::string_view name) {
  std::vector<std::string_view> versions;
  for (const Kind& kind : kinds) {
    if (kind.name == name) versions.push_back(kind.api_version);
  }
  return versions;
}

std::vector<std::string_view> names_of_kinds() {
  std::vector<std::string_view> names;
  for (const Kind& kind : kinds) {
    if (std::find(names.begin(), names.end(), kind.name) == names.end()) names.push_back(kind.name);
  }
  return names;
}

void report_unknown_kind(Reader& reader, const TypeMeta& type) {
  const auto known =
      std::find_if(refused.begin(), refused.end(), [&](const Refused& r) { return r.name == type.kind; });
  if (known != refused.end()) {
    reader.error(*type.kind_node, "unsupported-kind", fmt::format("the kind {} is not supported", type.kind),
                 std::string(known->help));
    return;
  }
  reader.error(*type.kind_node, "unknown-kind", fmt::format("there is no kind {} here", in_quotes(type.kind)),
               instead_of(type.kind, names_of_kinds()));
}

/// The kind exists, in another API version.
void report_wrong_version(Reader& reader, const TypeMeta& type, const std::vector<std::string_view>& versions) {
  std::string help = fmt::format("write \"apiVersion: {}\"", versions.front());
  if (versions.size() > 1) {
    help = fmt::format("write \"apiVersion: {}\" (Calico's) or \"apiVersion: {}\" (Kubernetes')", versions[0],
                       versions[1]);
  }
  if (type.api_version == "extensions/v1beta1") help = fmt::format("write \"apiVersion: {}\"", versions.back());
  if (type.api_version.starts_with("crd.projectcalico.org/")) help = fmt::format("write \"apiVersion: {}\"", calico);
  reader.error(*type.api_version_node, "wrong-api-version",
               fmt::format("{} is not in the API {}", type.kind, in_quotes(type.api_version)), std::move(help));
}

const Kind* recognise(Reader& reader, const TypeMeta& type) {
  if (const Kind* kind = find_kind(type.api_version, type.kind)) return kind;
  const std::vector<std::string_view> versions = versions_of(type.kind);
  if (versions.empty()) {
    report_unknown_kind(reader, type);
  } else {
    report_wrong_version(reader, type, versions);
  }
  return nullptr;
}

/// The namespace or tier is there, even if something in it is wrong: no need to say of each user that it is not.
void declare(Draft& draft, const Kind& kind, const std::string& name) {
  if (kind.name == "Tier") draft.tiers.insert(name);
  if (kind.name == "Namespace") draft.namespaces.insert(name);
}

/// The profile that a resource is besides itself.
std::optional<std::string> profile_of(const Kind& kind, const Metadata& metadata) {
  if (kind.name == "Namespace") return "kns." + metadata.name;
  if (kind.name == "ServiceAccount") return "ksa." + metadata.ns + "." + metadata.name;
  return {};
}

void read_resource(Reader& reader, Draft& draft, Fields& fields, const yaml::Node& root, const Kind& kind) {
  std::optional<Metadata> metadata = read_metadata(fields, kind.scope, kind.form);
  if (!metadata) {
    draft.complete = false;
    return;
  }
  declare(draft, kind, metadata->name);
  draft.declared.push_back({kind.name, {kind.identity, metadata->ns, metadata->name}, metadata->at});
  if (auto profile = profile_of(kind, *metadata))
    draft.declared.push_back({"Profile", {"Profile", {}, *profile}, metadata->at});
  if (kind.scope == Scope::namespaced) {
    const yaml::Node* ns = fields.find("metadata")->find("namespace");
    draft.namespaces_named.push_back({metadata->ns, ns == nullptr ? metadata->at : reader.place(*ns)});
  }
  Document document{reader, draft, fields, *std::move(metadata), reader.location(root)};
  kind.read(document);
  fields.accept({"status"});
  fields.hint({"selector", "tier", "order", "types", "ingress", "egress", "podSelector", "policyTypes", "node",
               "interfaceName", "expectedIPs", "nets", "stagedAction"},
              "write it below \"spec:\", indented");
  fields.hint({"name", "namespace", "labels"}, "write it below \"metadata:\", indented");
  fields.done();
}

void read_root(Reader& reader, Draft& draft, const yaml::Node& root, const TypeMeta& inherited);

/// `kind: List`, or a list of one kind, whose items may leave apiVersion and kind to it.
void read_list(Reader& reader, Draft& draft, Fields& fields, const TypeMeta& type) {
  fields.accept({"metadata"});
  TypeMeta inherited;
  if (type.kind != "List") {
    inherited = type;
    inherited.kind.remove_suffix(std::string_view("List").size());
  }
  for (const yaml::Node& item : fields.items("items", std::numeric_limits<std::size_t>::max())) {
    read_root(reader, draft, item, inherited);
  }
  fields.done();
}

bool is_list(const TypeMeta& type) {
  if (type.kind == "List") return type.api_version == core;
  if (!type.kind.ends_with("List")) return false;
  return find_kind(type.api_version, type.kind.substr(0, type.kind.size() - std::string_view("List").size())) !=
         nullptr;
}

bool is_unset(const yaml::Node* value) {
  return value == nullptr || (value->type == yaml::Type::scalar && value->text.empty());
}

std::optional<TypeMeta> read_type(Fields& fields, const TypeMeta& inherited) {
  TypeMeta type = inherited;
  if (const auto version = fields.text("apiVersion")) {
    type.api_version = *version;
    type.api_version_node = fields.find("apiVersion");
  }
  if (const auto kind = fields.text("kind")) {
    type.kind = *kind;
    type.kind_node = fields.find("kind");
  }
  if (type.kind_node == nullptr && is_unset(fields.find("kind"))) {
    fields.missing("kind", "write for example \"kind: GlobalNetworkPolicy\"");
  }
  if (type.api_version_node == nullptr && is_unset(fields.find("apiVersion"))) {
    const std::vector<std::string_view> versions = versions_of(type.kind);
    fields.missing("apiVersion", fmt::format("write \"apiVersion: {}\"", versions.empty() ? calico : versions.front()));
  }
  if (type.kind_node == nullptr || type.api_version_node == nullptr) return {};
  return type;
}

void read_root(Reader& reader, Draft& draft, const yaml::Node& root, const TypeMeta& inherited) {
  Fields fields(reader, &root, "a resource");
  const std::optional<TypeMeta> type = fields.present() ? read_type(fields, inherited) : std::nullopt;
  if (type && is_list(*type)) {
    read_list(reader, draft, fields, *type);
    return;
  }
  const Kind* kind = type ? recognise(reader, *type) : nullptr;
  if (kind == nullptr) {
    draft.complete = false;
    return;
  }
  read_resource(reader, draft, fields, root, *kind);
}

}  // namespace

void read_document(Reader& reader, Draft& draft, const yaml::Node& root) {
  read_root(reader, draft, root, {});
}

}  // namespace drywall::reading
