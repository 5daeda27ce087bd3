// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/parse_metadata.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/name.h"
#include "policy/spelling.h"

namespace drywall::reading {
namespace {

constexpr std::size_t most_annotation_bytes = 256U << 10U;
constexpr std::string_view last_applied = "kubectl.kubernetes.io/last-applied-configuration";

bool is_policy_name(std::string_view name) {
  return std::count(name.begin(), name.end(), '.') <= 1 && is_dns_subdomain(name);
}

bool is_converted_name(std::string_view name) {
  for (const std::string_view prefix : {"knp.default.", "ossg.default."}) {
    if (name.starts_with(prefix)) return is_dns_subdomain(name.substr(prefix.size()));
  }
  return false;
}

bool fits(std::string_view name, NameForm form) {
  switch (form) {
    case NameForm::subdomain:
      return is_dns_subdomain(name);
    case NameForm::label:
      return is_dns_label(name);
    case NameForm::global_policy:
      return is_policy_name(name);
    case NameForm::network_policy:
      return is_policy_name(name) || is_converted_name(name);
  }
  return false;
}

std::string_view describe(NameForm form) {
  switch (form) {
    case NameForm::subdomain:
      return "lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit";
    case NameForm::label:
      return "lower-case letters, digits and '-', beginning and ending with a letter or digit";
    case NameForm::global_policy:
    case NameForm::network_policy:
      return "lower-case letters, digits and '-', at most one '.' (after the tier's name)";
  }
  return {};
}

/// The name with its letters in lower case and every other character that is not allowed made a '-'.
std::string mended(std::string_view name, NameForm form) {
  std::string out;
  for (char c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    out += allowed && (c != '.' || form == NameForm::subdomain) ? c : '-';
  }
  return fits(out, form) ? out : std::string();
}

std::optional<std::string> read_name(Fields& metadata, NameForm form) {
  Reader& reader = metadata.reader();
  const yaml::Node* node = metadata.find("name");
  if (node == nullptr) {
    metadata.missing("name", "give the resource a name: \"name: my-policy\"");
    return {};
  }
  const auto name = reader.text(*node, "name");
  if (!name) return {};
  const std::size_t most = form == NameForm::label ? longest_label : longest_name;
  if (name->size() > most) {
    reader.error(*node, "name-too-long",
                 fmt::format("the name has {} characters, at most {} are allowed", name->size(), most),
                 "choose a shorter name");
    return {};
  }
  if (!fits(*name, form)) {
    const std::string better = mended(*name, form);
    reader.error(*node, "bad-name", fmt::format("{} cannot be a name here: only {}", in_quotes(*name), describe(form)),
                 better.empty() ? "" : fmt::format("write {}", better));
    return {};
  }
  return std::string(*name);
}

/// The namespace that a document means, `default` as kubectl does if it names none.
std::string read_namespace(Fields& metadata, Scope scope) {
  Reader& reader = metadata.reader();
  const yaml::Node* node = metadata.find("namespace");
  const auto name = metadata.text("namespace");
  if (scope == Scope::global) {
    if (name) {
      reader.error(*node, "namespace-on-global-kind", "this kind belongs to no namespace",
                   fmt::format("leave out \"namespace: {}\"", *name));
    }
    return {};
  }
  if (!name) return "default";
  if (!is_dns_label(*name) || name->size() > longest_label) {
    reader.error(*node, "bad-name",
                 fmt::format("{} cannot be a namespace: only {}, at most {} characters", in_quotes(*name),
                             describe(NameForm::label), longest_label));
    return "default";
  }
  return std::string(*name);
}

}  // namespace

std::optional<Metadata> read_metadata(Fields& resource, Scope scope, NameForm form) {
  Reader& reader = resource.reader();
  const yaml::Node* node = resource.find("metadata");
  if (node == nullptr) {
    resource.missing("metadata", "write \"metadata:\" and below it, indented, \"name: my-policy\"");
    return {};
  }
  Fields fields(reader, node, "metadata");
  if (!fields.present()) return {};
  Metadata metadata;
  const std::optional<std::string> name = read_name(fields, form);
  metadata.ns = read_namespace(fields, scope);
  if (const yaml::Node* labels = fields.find("labels")) metadata.labels = read_labels(reader, *labels, "labels");
  if (const yaml::Node* written = fields.find("annotations")) metadata.annotations = read_annotations(reader, *written);
  fields.accept({"uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
                 "deletionGracePeriodSeconds", "managedFields", "selfLink", "ownerReferences", "finalizers",
                 "generateName", "clusterName"});
  fields.hint({"label"}, "did you mean \"labels\"?");
  fields.hint({"spec"}, "\"spec\" stands beside metadata, not in it: indent it less");
  fields.done();
  if (!name) return {};
  metadata.name = *name;
  metadata.at = reader.place(*fields.find("name"));
  return metadata;
}

Labels read_labels(Reader& reader, const yaml::Node& node, std::string_view what) {
  Labels labels;
  for (const auto& [key, value] : entries(reader, node, what)) {
    if (!is_qualified_name(key.text)) {
      reader.error(key, "bad-label-key", fmt::format("{} cannot be a label's name", in_quotes(key.text)),
                   "write up to 63 letters, digits, '-', '_' and '.', optionally after \"DNS-NAME/\"");
      continue;
    }
    if (value.type == yaml::Type::null) {
      labels.emplace(key.text, "");
      continue;
    }
    const auto text = reader.text(value, "a label's value");
    if (!text) continue;
    if (!is_label_value(*text)) {
      reader.error(value, "bad-label-value", fmt::format("{} cannot be a label's value", in_quotes(*text)),
                   "write up to 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit");
      continue;
    }
    labels.emplace(key.text, *text);
  }
  return labels;
}

std::map<std::string, std::string> read_annotations(Reader& reader, const yaml::Node& node) {
  std::map<std::string, std::string> annotations;
  std::size_t bytes = 0;
  for (const auto& [key, value] : entries(reader, node, "annotations")) {
    std::string lower = key.text;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (!is_qualified_name(lower)) {
      reader.error(key, "bad-annotation-key", fmt::format("{} cannot be an annotation's name", in_quotes(key.text)),
                   "write up to 63 letters, digits, '-', '_' and '.', optionally after \"DNS-NAME/\"");
      continue;
    }
    const auto text = value.type == yaml::Type::null ? "" : reader.text(value, "an annotation's value");
    if (!text) continue;
    bytes += key.text.size() + text->size();
    if (key.text != last_applied) annotations.emplace(key.text, *text);
  }
  if (bytes > most_annotation_bytes) {
    reader.error(node, "annotations-too-large",
                 fmt::format("the annotations have {} bytes, at most {} are allowed", bytes, most_annotation_bytes));
  }
  return annotations;
}

std::string read_reference(Reader& reader, const yaml::Node& node, std::string_view what) {
  const auto name = reader.text(node, what);
  if (!name) return {};
  if (name->size() <= longest_name && is_dns_subdomain(*name)) return std::string(*name);
  reader.error(node, "bad-name",
               fmt::format("{} {} is not a name: only {}, at most {} characters", what, in_quotes(*name),
                           describe(NameForm::subdomain), longest_name));
  return {};
}

}  // namespace drywall::reading
