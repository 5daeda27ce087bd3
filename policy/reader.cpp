// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "policy/spelling.h"

namespace drywall::reading {
namespace {

constexpr std::size_t longest_selector = 1024;  // code points, as in Calico's CRDs

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view without_sign(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return text;
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

bool is_hexadecimal(std::string_view text) {
  return text.starts_with("0x") && text.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string_view::npos;
}

bool is_octal(std::string_view text) {
  return text.starts_with("0o") && text.find_first_not_of("01234567", 2) == std::string_view::npos;
}

bool is_integer(std::string_view text) {
  if (text.size() > 2 && (is_hexadecimal(text) || is_octal(text))) return true;
  return all_digits(without_sign(text));
}

/// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?, and infinities and NaN
bool is_float(std::string_view text) {
  constexpr std::array special{".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"};
  std::string_view rest = without_sign(text);
  if (std::find(special.begin(), special.end(), rest) != special.end()) return true;
  const std::size_t e = rest.find_first_of("eE");
  if (e != std::string_view::npos) {
    if (!all_digits(without_sign(rest.substr(e + 1)))) return false;
    rest = rest.substr(0, e);
  }
  const std::size_t dot = rest.find('.');
  if (dot == std::string_view::npos) return all_digits(rest);
  const std::string_view before = rest.substr(0, dot);
  const std::string_view after = rest.substr(dot + 1);
  if (before.empty()) return all_digits(after);
  return all_digits(before) && (after.empty() || all_digits(after));
}

bool is_boolean(std::string_view text) {
  constexpr std::array words{"true", "True", "TRUE", "false", "False", "FALSE"};
  return std::find(words.begin(), words.end(), text) != words.end();
}

/// The value of an integer of YAML's core schema; nothing if it has too many digits.
std::optional<std::int64_t> value_of_integer(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x")) base = 16;
  if (text.starts_with("0o")) base = 8;
  if (base != 10) text.remove_prefix(2);
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (failure != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

bool has_leading_zero(std::string_view text) {
  const std::string_view digits = without_sign(text);
  return digits.size() > 1 && digits.front() == '0' && all_digits(digits);
}

/// The value of a finite number of YAML's core schema.
std::optional<double> value_of_number(std::string_view text) {
  if (has_leading_zero(text)) return {};
  if (is_integer(text)) {
    if (const auto whole = value_of_integer(text)) return static_cast<double>(*whole);
  }
  if (!is_float(text)) return {};
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return {};
  return value;
}

/// The selector that somebody meant who wrote labels as a mapping; an example if it is something else.
std::string expression_for(const yaml::Node& node) {
  constexpr std::size_t most = 4;
  std::string out;
  for (const auto& [key, value] : node.entries) {
    if (value.type != yaml::Type::scalar || node.entries.size() > most) return "an expression such as role == 'db'";
    if (!out.empty()) out += " && ";
    out += fmt::format("{} == '{}'", shortened(key.text), shortened(value.text));
  }
  return out.empty() ? "an expression such as role == 'db'" : out;
}

/// What to write instead of something that should have fields. A field without a space after its colon is a text.
std::string help_for_mapping(const yaml::Node& node) {
  const std::size_t colon = node.text.find(':');
  if (node.style == yaml::Style::plain && colon != std::string::npos && colon + 1 < node.text.size()) {
    return fmt::format("put a space after the colon: \"{}: {}\"", shortened(node.text.substr(0, colon)),
                       shortened(node.text.substr(colon + 1)));
  }
  return "write its fields below it, indented, as \"field: value\"";
}

std::string describe(Range range) {
  if (range.least == std::numeric_limits<std::int64_t>::min()) return "a whole number";
  if (range.most == std::numeric_limits<std::int64_t>::max()) return fmt::format("a whole number from {}", range.least);
  return fmt::format("a number from {} to {}", range.least, range.most);
}

}  // namespace

tl::expected<Selector, SelectorError> SelectorTable::parse(std::string_view text) {
  const auto at = known_.find(text);
  if (at != known_.end()) return at->second;
  tl::expected<Selector, SelectorError> selector = Selector::parse(text);
  if (selector) known_.emplace(text, *selector);
  return selector;
}

Meaning meaning_of(const yaml::Node& scalar) {
  if (scalar.style == yaml::Style::quoted) return Meaning::text;
  if (is_integer(scalar.text)) return Meaning::integer;
  if (is_float(scalar.text)) return Meaning::number;
  return is_boolean(scalar.text) ? Meaning::boolean : Meaning::text;
}

bool is_ambiguous(const yaml::Node& scalar) {
  return scalar.style == yaml::Style::plain && has_leading_zero(scalar.text);
}

std::string found(const yaml::Node& node) {
  switch (node.type) {
    case yaml::Type::null:
      return "nothing";
    case yaml::Type::sequence:
      return "a list";
    case yaml::Type::mapping:
      return "a mapping";
    case yaml::Type::scalar:
      break;
  }
  switch (meaning_of(node)) {
    case Meaning::text:
      return in_quotes(node.text);
    case Meaning::integer:
    case Meaning::number:
      return fmt::format("the number {}", shortened(node.text));
    case Meaning::boolean:
      return fmt::format("the truth value {}", node.text);
  }
  return {};
}

void Reader::error(const yaml::Node& at, std::string_view code, std::string message, std::string help) {
  report_->error(place(at), code, std::move(message), std::move(help));
}

void Reader::error(const Place& at, std::string_view code, std::string message, std::string help) {
  report_->error(at, code, std::move(message), std::move(help));
}

void Reader::warning(const yaml::Node& at, std::string_view code, std::string message, std::string help) {
  report_->warning(place(at), code, std::move(message), std::move(help));
}

void Reader::report_ambiguous(const yaml::Node& node) {
  error(node, "ambiguous-number", fmt::format("{} is octal to some readers of YAML", shortened(node.text)),
        "leave out the leading zero");
}

std::optional<std::string_view> Reader::text(const yaml::Node& node, std::string_view what) {
  if (node.type == yaml::Type::scalar && meaning_of(node) == Meaning::text) return node.text;
  std::string help;
  if (node.type == yaml::Type::scalar) help = fmt::format("put it in quotes: \"{}\"", shortened(node.text));
  error(node, "not-text", fmt::format("{} must be text, found {}", what, found(node)), std::move(help));
  return {};
}

std::optional<std::int64_t> Reader::integer(const yaml::Node& node, std::string_view what, Range range) {
  const std::string expected = describe(range);
  if (node.type != yaml::Type::scalar || meaning_of(node) != Meaning::integer) {
    const bool unquote = node.type == yaml::Type::scalar && node.style == yaml::Style::quoted && is_integer(node.text);
    error(node, "not-a-number", fmt::format("{} must be {}, found {}", what, expected, found(node)),
          unquote ? fmt::format("leave the quotes out: {}", shortened(node.text)) : fmt::format("write {}", expected));
    return {};
  }
  const std::optional<std::int64_t> value = value_of_integer(node.text);
  if (is_ambiguous(node)) {
    report_ambiguous(node);
    return {};
  }
  if (!value || *value < range.least || *value > range.most) {
    error(node, "out-of-range", fmt::format("{} must be {}, found {}", what, expected, shortened(node.text)),
          fmt::format("write {}", expected));
    return {};
  }
  return value;
}

std::optional<double> Reader::number(const yaml::Node& node, std::string_view what) {
  if (node.type == yaml::Type::scalar && node.style == yaml::Style::plain) {
    if (const std::optional<double> value = value_of_number(node.text)) return value;
  }
  const bool unquote = node.type == yaml::Type::scalar && node.style == yaml::Style::quoted && is_float(node.text);
  error(node, "not-a-number", fmt::format("{} must be a number, found {}", what, found(node)),
        unquote ? fmt::format("leave the quotes out: {}", shortened(node.text)) : "write a number such as 100 or 10.5");
  return {};
}

std::optional<bool> Reader::boolean(const yaml::Node& node, std::string_view what) {
  if (node.type == yaml::Type::scalar && meaning_of(node) == Meaning::boolean) {
    return node.text.front() == 't' || node.text.front() == 'T';
  }
  const auto is_one_of = [&](std::initializer_list<std::string_view> words) {
    return std::any_of(words.begin(), words.end(),
                       [&](std::string_view w) { return equal_but_for_case(w, node.text); });
  };
  const bool is_yes = is_one_of({"true", "yes", "on", "1", "enabled"});
  const bool is_no = is_one_of({"false", "no", "off", "0", "disabled"});
  error(node, "not-a-boolean", fmt::format("{} must be true or false, found {}", what, found(node)),
        is_yes  ? "write true"
        : is_no ? "write false"
                : "write true or false, without quotes");
  return {};
}

std::optional<std::size_t> Reader::word(const yaml::Node& node, std::string_view what, std::string_view code,
                                        std::initializer_list<std::string_view> words) {
  if (node.type == yaml::Type::scalar) {
    const auto at = std::find(words.begin(), words.end(), node.text);
    if (at != words.end()) return static_cast<std::size_t>(at - words.begin());
  }
  const std::span<const std::string_view> known(words.begin(), words.size());
  error(node, code, fmt::format("{} must be {}, found {}", what, either(known), found(node)),
        instead_of(node.text, known));
  return {};
}

std::span<const yaml::Node> Reader::items(const yaml::Node& node, std::string_view what, std::size_t most) {
  if (node.type != yaml::Type::sequence) {
    const bool scalar = node.type == yaml::Type::scalar;
    error(node, "not-a-list", fmt::format("{} must be a list, found {}", what, found(node)),
          scalar
              ? fmt::format("write [{}], or \"- {}\" on a line of its own", shortened(node.text), shortened(node.text))
              : "begin each element with \"- \" on a line of its own");
    return {};
  }
  if (node.items.size() > most) {
    error(node.items[most], "too-many",
          fmt::format("{} has {} elements, at most {} are allowed", what, node.items.size(), most),
          "write several rules, sets or policies instead");
    return std::span(node.items).first(most);
  }
  return node.items;
}

std::optional<Selector> Reader::selector(const yaml::Node& node, std::string_view what) {
  if (node.type != yaml::Type::scalar) {
    error(node, "not-text", fmt::format("{} must be an expression in text, found {}", what, found(node)),
          fmt::format("write {}", expression_for(node)));
    return {};
  }
  const std::optional<std::string_view> written = text(node, what);
  if (!written || written->empty()) return {};
  if (const std::size_t length = code_points(*written); length > longest_selector) {
    error(node, "selector-too-long",
          fmt::format("{} has {} characters, at most {} are allowed", what, length, longest_selector),
          "give the endpoints a label of their own, or write several rules");
    return {};
  }
  tl::expected<Selector, SelectorError> selector = selectors_->parse(*written);
  if (selector) return *std::move(selector);
  const SelectorError& mistake = selector.error();
  error(place_within(node, mistake.offset, mistake.length), "bad-selector", mistake.message, mistake.help);
  return {};
}

Selector Reader::known_selector(std::string_view text) {
  return selectors_->parse(text).value_or(Selector());
}

Place Reader::place_within(const yaml::Node& scalar, std::size_t offset, std::size_t length) {
  constexpr std::uint32_t furthest = 4096;  // bounds the work for a file that is one long line
  const Place whole = place(scalar);
  if (whole.column > furthest) return whole;
  const std::string_view line = report_->line(whole);
  const std::size_t quote = scalar.style == yaml::Style::quoted ? 1 : 0;
  std::size_t start = 0;  // in bytes
  for (std::uint32_t column = 1; column < whole.column && start < line.size(); ++start) {
    if (start + 1 == line.size() || (static_cast<unsigned char>(line[start + 1]) & 0xC0U) != 0x80U) ++column;
  }
  const bool verbatim = line.substr(std::min(start + quote, line.size())).starts_with(scalar.text);
  if (!verbatim || offset > scalar.text.size()) return whole;
  const std::string_view text = scalar.text;
  const std::size_t columns = code_points(text.substr(0, offset));
  const std::size_t underlined = code_points(text.substr(offset, length));
  return {whole.file, whole.line, whole.column + static_cast<std::uint32_t>(quote + columns),
          std::max(1U, static_cast<std::uint32_t>(underlined))};
}

Fields::Fields(Reader& reader, const yaml::Node* node, std::string_view where) : reader_(&reader), where_(where) {
  if (node == nullptr) return;
  if (node->type == yaml::Type::mapping) {
    node_ = node;
    known_.reserve(16);
    return;
  }
  reader.error(*node, "not-a-mapping", fmt::format("{} must be a mapping, found {}", where, found(*node)),
               help_for_mapping(*node));
}

const yaml::Node* Fields::find(std::string_view key) {
  known_.push_back(key);
  if (node_ == nullptr) return nullptr;
  const yaml::Node* value = node_->find(key);
  return value == nullptr || value->type == yaml::Type::null ? nullptr : value;
}

const yaml::Node& Fields::key(std::string_view key) const {
  const auto entry =
      std::find_if(node_->entries.begin(), node_->entries.end(), [&](const auto& e) { return e.first.text == key; });
  return entry == node_->entries.end() ? *node_ : entry->first;
}

std::optional<std::string_view> Fields::text(std::string_view key) {
  const yaml::Node* value = find(key);
  if (value == nullptr) return {};
  const std::optional<std::string_view> text = reader_->text(*value, key);
  return text && text->empty() ? std::nullopt : text;
}

std::optional<std::int64_t> Fields::integer(std::string_view key, Range range) {
  const yaml::Node* value = find(key);
  return value == nullptr ? std::nullopt : reader_->integer(*value, key, range);
}

std::optional<double> Fields::number(std::string_view key) {
  const yaml::Node* value = find(key);
  return value == nullptr ? std::nullopt : reader_->number(*value, key);
}

std::optional<bool> Fields::boolean(std::string_view key) {
  const yaml::Node* value = find(key);
  return value == nullptr ? std::nullopt : reader_->boolean(*value, key);
}

std::optional<Selector> Fields::selector(std::string_view key) {
  const yaml::Node* value = find(key);
  return value == nullptr ? std::nullopt : reader_->selector(*value, key);
}

std::span<const yaml::Node> Fields::items(std::string_view key, std::size_t most) {
  const yaml::Node* value = find(key);
  return value == nullptr ? std::span<const yaml::Node>{} : reader_->items(*value, key, most);
}

void Fields::accept(std::initializer_list<std::string_view> keys) {
  accepted_.insert(accepted_.end(), keys);
}

void Fields::hint(std::initializer_list<std::string_view> keys, std::string_view help) {
  for (const std::string_view key : keys) hints_.emplace_back(key, help);
}

void Fields::missing(std::string_view key, std::string help) {
  if (node_ == nullptr) return;
  reader_->error(*node_, "missing-field", fmt::format("{} needs the field {}", where_, in_quotes(key)),
                 std::move(help));
}

void Fields::done() {
  std::size_t unknown = 0;
  if (node_ == nullptr) return;
  for (const auto& [key, value] : node_->entries) {
    if (knows(key.text)) continue;
    if (unknown++ > most_diagnostics) return;  // finding what was meant is costly
    reader_->error(key, "unknown-field", fmt::format("{} has no field {}", where_, in_quotes(key.text)),
                   help_for(key.text));
  }
}

bool Fields::knows(std::string_view key) const {
  return std::find(known_.begin(), known_.end(), key) != known_.end() ||
         std::find(accepted_.begin(), accepted_.end(), key) != accepted_.end();
}

std::string Fields::help_for(std::string_view key) const {
  const auto hint = std::find_if(hints_.begin(), hints_.end(), [&](const auto& h) { return h.first == key; });
  if (hint != hints_.end()) return std::string(hint->second);
  std::string meant = did_you_mean(key, known_);
  if (!meant.empty()) return meant;
  std::vector<std::string_view> all;
  for (const std::string_view field : known_) {
    if (std::find(all.begin(), all.end(), field) == all.end()) all.push_back(field);
  }
  return fmt::format("its fields are {}", either(all));
}

std::span<const Entry> entries(Reader& reader, const yaml::Node& node, std::string_view what) {
  if (node.type == yaml::Type::mapping) return node.entries;
  reader.error(node, "not-a-mapping", fmt::format("{} must be a mapping, found {}", what, found(node)),
               "write \"key: value\", one a line, indented below it");
  return {};
}

}  // namespace drywall::reading
