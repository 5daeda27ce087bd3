// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/parse_label_selector.h"

#include <fmt/format.h>

#include <optional>
#include <vector>

#include "policy/name.h"
#include "policy/parse_metadata.h"
#include "policy/spelling.h"

namespace drywall::reading {
namespace {

constexpr std::size_t most_terms = 256;
constexpr std::size_t most_values = 1024;

std::string joined(const std::vector<std::string>& parts, std::string_view between) {
  std::string out;
  for (const std::string& part : parts) {
    if (!out.empty()) out += between;
    out += part;
  }
  return out;
}

enum class Operator { in, not_in, exists, does_not_exist };

std::vector<std::string> read_values(Fields& expression) {
  std::vector<std::string> values;
  for (const yaml::Node& node : expression.items("values", most_values)) {
    const auto text = expression.reader().text(node, "a label's value");
    if (!text) continue;
    if (is_label_value(*text)) {
      values.push_back(fmt::format("'{}'", *text));
      continue;
    }
    expression.reader().error(node, "bad-label-value", fmt::format("{} cannot be a label's value", in_quotes(*text)),
                              "write up to 63 letters, digits, '-', '_' and '.'");
  }
  return values;
}

std::optional<std::string> read_key(Fields& expression) {
  const yaml::Node* node = expression.find("key");
  if (node == nullptr) {
    expression.missing("key", "write the label's name");
    return {};
  }
  const auto key = expression.reader().text(*node, "key");
  if (!key) return {};
  if (is_qualified_name(*key)) return std::string(*key);
  expression.reader().error(*node, "bad-label-key", fmt::format("{} cannot be a label's name", in_quotes(*key)),
                            "write up to 63 letters, digits, '-', '_' and '.', optionally after \"DNS-NAME/\"");
  return {};
}

std::optional<Operator> read_operator(Fields& expression) {
  const yaml::Node* node = expression.find("operator");
  if (node == nullptr) {
    expression.missing("operator", "write In, NotIn, Exists or DoesNotExist");
    return {};
  }
  const auto index =
      expression.reader().word(*node, "operator", "bad-operator", {"In", "NotIn", "Exists", "DoesNotExist"});
  if (!index) return {};
  return static_cast<Operator>(*index);
}

/// In and NotIn need values, the others cannot have any.
void check_values(Fields& expression, Operator op) {
  const bool takes_values = op == Operator::in || op == Operator::not_in;
  const yaml::Node* node = expression.find("values");
  const bool written = node != nullptr && !node->items.empty();
  if (takes_values && !written) expression.missing("values", "write the values: \"values: [a, b]\"");
  if (!takes_values && written) {
    expression.reader().error(*node, "values-without-use", "Exists and DoesNotExist have no values",
                              "leave the values out, or write In or NotIn");
  }
}

std::string term(const std::string& key, Operator op, const std::vector<std::string>& values) {
  switch (op) {
    case Operator::in:
      return fmt::format("{} in {{ {} }}", key, joined(values, ", "));
    case Operator::not_in:
      return fmt::format("{} not in {{ {} }}", key, joined(values, ", "));
    case Operator::exists:
      return fmt::format("has({})", key);
    case Operator::does_not_exist:
      return fmt::format("! has({})", key);
  }
  return {};
}

std::optional<std::string> read_expression(Reader& reader, const yaml::Node& node) {
  Fields fields(reader, &node, "a match expression");
  if (!fields.present()) return {};
  const auto key = read_key(fields);
  const auto op = read_operator(fields);
  const std::vector<std::string> values = read_values(fields);
  if (op) check_values(fields, *op);
  fields.done();
  if (!key || !op) return {};
  return term(*key, *op, values);
}

}  // namespace

std::string read_label_selector(Reader& reader, const yaml::Node* node, std::string_view where, Selects selects) {
  std::vector<std::string> terms;
  if (selects == Selects::pods) terms.emplace_back("projectcalico.org/orchestrator == 'k8s'");
  const std::size_t implied = terms.size();
  Fields fields(reader, node, where);
  if (const yaml::Node* labels = fields.find("matchLabels")) {
    for (const auto& [key, value] : read_labels(reader, *labels, "matchLabels")) {
      terms.push_back(fmt::format("{} == '{}'", key, value));
    }
  }
  for (const yaml::Node& expression : fields.items("matchExpressions", most_terms)) {
    if (auto text = read_expression(reader, expression)) terms.push_back(*std::move(text));
  }
  if (fields.present()) {
    for (const auto& [key, value] : fields.node().entries) {
      if (value.type != yaml::Type::scalar) continue;
      fields.hint({key.text}, "labels stand one level deeper, below \"matchLabels:\"");
    }
  }
  fields.done();
  if (selects == Selects::namespaces && node != nullptr && terms.size() == implied) return "all()";
  return joined(terms, " && ");
}

}  // namespace drywall::reading
