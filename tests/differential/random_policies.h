// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <set>
#include <string>
#include <vector>

#include "policy/model.h"
#include "tests/differential/random_rules.h"
#include "tests/differential/random_selectors.h"
#include "tests/differential/random_source.h"
#include "tests/differential/yaml_value.h"

namespace drywall::test {

/// Which policies are judged before the rest.
enum class EarlyPolicies { none, allowed };  // doNotTrack and preDNAT

/// Random policies of every kind; a staged one often has the identity of an enforced one.
class RandomPolicies {
 public:
  RandomPolicies(Random& random, std::vector<std::string> tiers, EarlyPolicies early)
      : random_(random), selectors_(random), rules_(random), tiers_(std::move(tiers)), early_(early) {}

  YamlValue next();

 private:
  PolicyKind kind();
  PolicyId identity(PolicyKind kind);
  YamlValue document(const PolicyId& id, YamlValue spec);
  YamlValue calico_spec(PolicyKind kind);
  YamlValue kubernetes_spec(PolicyKind kind);
  YamlValue cluster_spec();
  void add_host_options(YamlValue& spec);
  void add_rules(YamlValue& spec, PolicyKind kind);
  void add_calico_list(YamlValue& spec, RuleWriter writer, Direction direction);
  void add_left_over_action(YamlValue& spec);
  YamlValue order();
  template <class Make>
  void add_list(YamlValue& spec, std::string_view key, Make make);

  Random& random_;
  RandomSelectors selectors_;
  RandomRules rules_;
  std::vector<std::string> tiers_;
  EarlyPolicies early_;
  std::set<PolicyId> made_;
};

}  // namespace drywall::test
