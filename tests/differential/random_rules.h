// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policy/net.h"
#include "policy/plan.h"
#include "tests/differential/random_selectors.h"
#include "tests/differential/random_source.h"
#include "tests/differential/yaml_value.h"

namespace drywall::test {

/// Who has the rules: it decides what they can say.
enum class RuleWriter { global_policy, namespaced_policy, profile };

/// Random rules of every kind, with values from small pools that packets hit often, edges included.
class RandomRules {
 public:
  explicit RandomRules(Random& random) : random_(random), selectors_(random) {}

  YamlValue calico(RuleWriter writer, Direction direction);
  /// Of one protocol and one destination port, mostly with nothing else: what is looked up where there are many.
  YamlValue of_one_port();
  YamlValue kubernetes(Direction direction);
  YamlValue cluster(Direction direction);

  std::vector<YamlValue> blocks(Family family, std::size_t count, bool with_everything = true);
  YamlValue transport_name();

 private:
  void add_protocol(YamlValue& rule, std::optional<Family>& family);
  void add_icmp(YamlValue& rule);
  YamlValue icmp();
  YamlValue entity(const YamlValue& rule, std::optional<Family> family, RuleWriter writer, Direction direction,
                   Side side);
  YamlValue service(RuleWriter writer);
  YamlValue service_accounts();
  YamlValue ports(bool numbers);
  YamlValue number_of_port();
  YamlValue kubernetes_peer();
  YamlValue kubernetes_port();
  YamlValue cluster_peer(Direction direction);
  YamlValue cluster_pods();
  YamlValue cluster_protocol();

  Random& random_;
  RandomSelectors selectors_;
};

}  // namespace drywall::test
