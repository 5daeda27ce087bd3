// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/differential/random_selectors.h"

#include <fmt/format.h>

namespace drywall::test {
namespace {

struct Vocabulary {
  std::vector<std::string> keys;
  std::vector<std::string> values;
};

const Vocabulary& vocabulary(Labelled whose) {
  static const Vocabulary endpoints{{"role", "env", "example.org/zone"}, {"web", "db", "webdb", "prod"}};
  static const Vocabulary namespaces{{"team", "env"}, {"a", "b"}};
  static const Vocabulary accounts{{"bot"}, {"yes", "no"}};
  switch (whose) {
    case Labelled::endpoints:
      return endpoints;
    case Labelled::namespaces:
      return namespaces;
    case Labelled::accounts:
      return accounts;
  }
  return endpoints;
}

/// Labels that nobody writes: what an endpoint is, or belongs to.
std::string implied_term(Random& random, Labelled whose) {
  switch (whose) {
    case Labelled::endpoints:
      return random.pick({"projectcalico.org/namespace == 'default'", "projectcalico.org/namespace != 'prod'",
                          "projectcalico.org/orchestrator == 'k8s'", "projectcalico.org/serviceaccount == 'robot'",
                          "has(pcns.team)", "pcsa.bot == 'yes'"});
    case Labelled::namespaces:
      return random.pick({"projectcalico.org/name == 'default'", "projectcalico.org/name in {'prod', 'other'}"});
    case Labelled::accounts:
      return "projectcalico.org/name == 'robot'";
  }
  return "all()";
}

}  // namespace

std::string RandomSelectors::term(Labelled whose) {
  const Vocabulary& words = vocabulary(whose);
  const std::string& key = random_.pick(words.keys);
  const std::string& value = random_.pick(words.values);
  switch (random_.below(14)) {
    case 0:
    case 1:
    case 2:
      return fmt::format("{} == '{}'", key, value);
    case 3:
      return fmt::format("{} != \"{}\"", key, value);
    case 4:
      return fmt::format("has({})", key);
    case 5:
      return fmt::format("{} in {{'{}', '{}'}}", key, value, random_.pick(words.values));
    case 6:
      return fmt::format("{} not in {{'{}'}}", key, value);
    case 7:
      return fmt::format("{} contains '{}'", key, value.substr(0, 1 + random_.below(2)));
    case 8:
      return fmt::format("{} starts with '{}'", key, value.substr(0, 1));
    case 9:
      return fmt::format("{} ends with '{}'", key, value.substr(value.size() - 1));
    case 10:
      return fmt::format(fmt::runtime(random_.pick({"{} in {{}}", "{} not in {{}}", "{} contains ''"})), key);
    case 11:
      return "all()";
    default:
      return implied_term(random_, whose);
  }
}

std::string RandomSelectors::expression(Labelled whose, int depth) {
  if (depth == 0 || random_.chance(2)) return (random_.chance(6) ? "!" : "") + term(whose);
  const std::string left = expression(whose, depth - 1);
  const std::string right = expression(whose, depth - 1);
  switch (random_.below(4)) {
    case 0:
      return left + " && " + right;
    case 1:
      return left + " || " + right;
    case 2:
      return fmt::format("({} || {})", left, right);
    default:
      return fmt::format("!({} && {})", left, right);
  }
}

std::string RandomSelectors::selector(Labelled whose) {
  if (random_.chance(5)) return "all()";
  return expression(whose, static_cast<int>(random_.below(3)));
}

YamlValue RandomSelectors::match_expression(Labelled whose) {
  const Vocabulary& words = vocabulary(whose);
  const std::string_view op = random_.pick({"In", "NotIn", "Exists", "DoesNotExist"});
  YamlValue made = mapping({{"key", text(random_.pick(words.keys))}, {"operator", text(op)}});
  if (op == "In" || op == "NotIn") made.set("values", texts(random_.some(words.values, 1 + random_.below(2))));
  return made;
}

YamlValue RandomSelectors::label_selector(Labelled whose) {
  const Vocabulary& words = vocabulary(whose);
  YamlValue made;
  if (random_.chance(3)) return made;
  if (random_.chance(2)) {
    made.set("matchLabels", mapping({{random_.pick(words.keys), text(random_.pick(words.values))}}));
  }
  if (random_.chance(3)) made.set("matchExpressions", list({match_expression(whose)}));
  return made;
}

YamlValue RandomSelectors::labels(Labelled whose) {
  YamlValue made;
  for (const std::string& key : vocabulary(whose).keys) {
    if (!random_.chance(3)) made.set(key, text(random_.chance(12) ? "" : random_.pick(vocabulary(whose).values)));
  }
  return made;
}

}  // namespace drywall::test
