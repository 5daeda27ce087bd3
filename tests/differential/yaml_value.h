// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace drywall::test {

/// A YAML value that a test builds, takes apart and prints.
struct YamlValue {
  enum class Type : std::uint8_t { scalar, list, mapping };

  Type type = Type::mapping;
  std::string text;                 // of a scalar, as it is printed
  std::vector<std::string> keys;    // of a mapping, in order
  std::vector<YamlValue> children;  // of a list, or of a mapping, as many as keys

  YamlValue& set(std::string key, YamlValue value);
  YamlValue& add(YamlValue item);
  void remove(std::size_t child);
  [[nodiscard]] YamlValue* find(std::string_view key);
  [[nodiscard]] const YamlValue* find(std::string_view key) const;
  [[nodiscard]] bool empty() const { return type != Type::scalar && children.empty(); }
  bool operator==(const YamlValue&) const = default;
};

/// A number, a truth value or a word that needs no quotes.
[[nodiscard]] YamlValue plain(std::string text);
[[nodiscard]] YamlValue plain(std::int64_t number);
/// Any text; never a number or a truth value, so in quotes where it looks like one.
[[nodiscard]] YamlValue text(std::string_view text);
[[nodiscard]] YamlValue quoted(std::string_view text);
[[nodiscard]] YamlValue list(std::vector<YamlValue> items = {});
[[nodiscard]] YamlValue texts(const std::vector<std::string>& items);
[[nodiscard]] YamlValue mapping(std::initializer_list<std::pair<std::string_view, YamlValue>> fields = {});

/// A policy directory as its documents.
using Documents = std::vector<YamlValue>;

[[nodiscard]] std::string to_yaml(const YamlValue& document);
[[nodiscard]] std::string to_yaml(const Documents& documents);

}  // namespace drywall::test
