// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "policy/reader.h"

namespace drywall::reading {

enum class Selects { pods, namespaces };

/// The text of the Calico selector for a Kubernetes LabelSelector (conversion.go, k8sSelectorToCalico): that of pods
/// begins with the orchestrator's label, that of namespaces is all() if nothing is asked.
///   node  nullptr: the selector is not written: pods of any label; "" for namespaces
[[nodiscard]] std::string read_label_selector(Reader& reader, const yaml::Node* node, std::string_view where,
                                              Selects selects);

}  // namespace drywall::reading
