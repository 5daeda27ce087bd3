// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "policy/draft.h"

namespace drywall::reading {

enum class Scope { global, namespaced };

/// Which names a kind allows (the name regular expressions of Calico's validator.go).
enum class NameForm {
  subdomain,       // labels joined by dots
  label,           // no dot, at most 63 characters: tiers, namespaces
  global_policy,   // NAME or TIER.NAME
  network_policy,  // the same, or knp.default.SUBDOMAIN and ossg.default.SUBDOMAIN
};

/// Reads `metadata`. What the API server fills in is left out.
///   returns  nothing if there is no usable name
[[nodiscard]] std::optional<Metadata> read_metadata(Fields& resource, Scope scope, NameForm form);

/// Labels of any resource: keys and values as Kubernetes allows them.
[[nodiscard]] Labels read_labels(Reader& reader, const yaml::Node& node, std::string_view what);

/// The annotations of a resource or rule are only checked.
[[nodiscard]] std::map<std::string, std::string> read_annotations(Reader& reader, const yaml::Node& node);

/// A name that refers to a resource of ours: a DNS subdomain. Reported and empty if it is none.
[[nodiscard]] std::string read_reference(Reader& reader, const yaml::Node& node, std::string_view what);

}  // namespace drywall::reading
