// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/differential/yaml_value.h"

#include <algorithm>
#include <array>

namespace drywall::test {
namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Begins with a letter, holds nothing that YAML could take for its own, and is no truth value or null.
bool needs_no_quotes(std::string_view text) {
  constexpr std::array<std::string_view, 9> taken{"true", "false", "yes", "no", "on", "off", "null", "y", "n"};
  if (text.empty() || !is_letter(text.front())) return false;
  const bool simple = std::ranges::all_of(text, [](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' || c == '/';
  });
  return simple && std::ranges::find(taken, text) == taken.end();
}

bool is_flat(const YamlValue& value) {
  return std::ranges::all_of(value.children,
                             [](const YamlValue& child) { return child.type == YamlValue::Type::scalar; });
}

/// Block style; lists of scalars on one line.
class Printer {
 public:
  std::string print(const YamlValue& document) {
    fields(document, "", "");
    return std::move(out_);
  }

 private:
  /// `first` stands before the first field instead of the indent.
  void fields(const YamlValue& mapping, const std::string& first, const std::string& indent) {
    for (std::size_t i = 0; i < mapping.children.size(); ++i) {
      out_ += (i == 0 ? first : indent) + mapping.keys[i] + ":";
      value(mapping.children[i], indent);
    }
  }

  void value(const YamlValue& value, const std::string& indent) {
    switch (value.type) {
      case YamlValue::Type::scalar:
        out_ += " " + value.text + "\n";
        return;
      case YamlValue::Type::mapping:
        out_ += value.empty() ? " {}\n" : "\n";
        fields(value, indent + "  ", indent + "  ");
        return;
      case YamlValue::Type::list:
        list(value, indent);
        return;
    }
  }

  void list(const YamlValue& list, const std::string& indent) {
    if (is_flat(list)) {
      out_ += " [";
      for (std::size_t i = 0; i < list.children.size(); ++i) out_ += (i == 0 ? "" : ", ") + list.children[i].text;
      out_ += "]\n";
      return;
    }
    out_ += "\n";
    for (const YamlValue& item : list.children) {
      if (item.type == YamlValue::Type::mapping && !item.empty()) {
        fields(item, indent + "  - ", indent + "    ");
      } else {
        out_ += indent + "  -";
        value(item, indent + "  ");
      }
    }
  }

  std::string out_;
};

template <class Value>
auto* find_in(Value& mapping, std::string_view key) {
  const auto at = std::ranges::find(mapping.keys, key);
  return at == mapping.keys.end() ? nullptr : &mapping.children[static_cast<std::size_t>(at - mapping.keys.begin())];
}

}  // namespace

YamlValue& YamlValue::set(std::string key, YamlValue value) {
  if (YamlValue* known = find(key)) {
    *known = std::move(value);
    return *this;
  }
  keys.push_back(std::move(key));
  children.push_back(std::move(value));
  return *this;
}

YamlValue& YamlValue::add(YamlValue item) {
  children.push_back(std::move(item));
  return *this;
}

void YamlValue::remove(std::size_t child) {
  const auto at = static_cast<std::ptrdiff_t>(child);
  children.erase(children.begin() + at);
  if (type == Type::mapping) keys.erase(keys.begin() + at);
}

YamlValue* YamlValue::find(std::string_view key) {
  return find_in(*this, key);
}
const YamlValue* YamlValue::find(std::string_view key) const {
  return find_in(*this, key);
}

YamlValue plain(std::string text) {
  return {YamlValue::Type::scalar, std::move(text), {}, {}};
}

YamlValue plain(std::int64_t number) {
  return plain(std::to_string(number));
}

YamlValue text(std::string_view text) {
  return needs_no_quotes(text) ? plain(std::string(text)) : test::quoted(text);
}

YamlValue quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
  return plain(out + "'");
}

YamlValue list(std::vector<YamlValue> items) {
  return {YamlValue::Type::list, "", {}, std::move(items)};
}

YamlValue texts(const std::vector<std::string>& items) {
  YamlValue made = list();
  for (const std::string& item : items) made.add(text(item));
  return made;
}

YamlValue mapping(std::initializer_list<std::pair<std::string_view, YamlValue>> fields) {
  YamlValue made;
  for (const auto& [key, value] : fields) made.set(std::string(key), value);
  return made;
}

std::string to_yaml(const YamlValue& document) {
  return Printer().print(document);
}

std::string to_yaml(const Documents& documents) {
  std::string text;
  for (const YamlValue& document : documents) text += "---\n" + to_yaml(document);
  return text;
}

}  // namespace drywall::test
