// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "tests/differential/random_source.h"
#include "tests/differential/yaml_value.h"

namespace drywall::test {

/// Whose labels a selector or a label selector is about.
enum class Labelled { endpoints, namespaces, accounts };

/// Random selectors over the few labels that random documents have, so that they often match something.
class RandomSelectors {
 public:
  explicit RandomSelectors(Random& random) : random_(random) {}

  std::string selector(Labelled whose = Labelled::endpoints);
  /// Kubernetes' form: matchLabels and matchExpressions.
  YamlValue label_selector(Labelled whose = Labelled::endpoints);
  YamlValue labels(Labelled whose = Labelled::endpoints);

 private:
  std::string term(Labelled whose);
  std::string expression(Labelled whose, int depth);
  YamlValue match_expression(Labelled whose);

  Random& random_;
};

}  // namespace drywall::test
