// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/yaml_plain.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

namespace drywall::yaml {
namespace {

constexpr std::size_t longest_key = 500;       // bytes; YAML ends at 1024 characters
constexpr std::size_t compared_in_pairs = 12;  // keys; more of them are sorted to find duplicates

enum CharacterUse : std::uint8_t {
  in_key = 1,          // of keys that we read
  begins_scalar = 2,   // of plain scalars that we read
  in_flow_scalar = 4,  // likewise, in brackets
};

constexpr std::array<std::uint8_t, 256> character_uses = [] {
  std::array<std::uint8_t, 256> uses{};
  const auto add = [&](std::string_view characters, unsigned use) {
    for (const char c : characters) {
      auto& entry = uses[static_cast<unsigned char>(c)];
      entry = static_cast<std::uint8_t>(entry | use);
    }
  };
  const std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  add(letters, in_key | begins_scalar | in_flow_scalar);
  add("_./", in_key | begins_scalar | in_flow_scalar);
  add("-", in_key | in_flow_scalar);
  add("+", in_flow_scalar);
  add("(~", begins_scalar);
  for (std::size_t i = 0x80; i < uses.size(); ++i) uses[i] = begins_scalar;  // beyond ASCII
  return uses;
}();

constexpr bool is(char c, CharacterUse use) {
  return (character_uses[static_cast<unsigned char>(c)] & use) != 0;
}

/// Recursive descent over lines. Each step returns false if it meets anything that is not of the plain sort.
class PlainReader {
 public:
  PlainReader(const Text& text, const Region& region, std::size_t depth, std::size_t nodes)
      : bytes_(text.bytes().substr(0, region.end)),
        line_(region.line),
        at_(region.begin),
        depth_(depth),
        nodes_(nodes) {}

  bool read(Node& root) {
    if (bytes_.substr(at_).starts_with("...")) return false;
    begin_line(at_);
    if (bytes_.substr(at_).starts_with("---")) {
      at_ += 3;
      if (!end_line()) return false;
    } else if (!skip_empty_lines()) {
      return false;
    }
    if (at_end()) return false;  // an empty document
    return read_block(root, 1) && at_end();
  }

  [[nodiscard]] std::size_t nodes_left() const { return nodes_; }

 private:
  // A line's content begins at `at_`, in `column_`, counted from 0; or `at_` is the end of the document.

  [[nodiscard]] bool at_end() const { return at_ >= bytes_.size(); }
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return at_ + ahead < bytes_.size() ? bytes_[at_ + ahead] : '\n';
  }
  [[nodiscard]] bool ends_line(char c) const { return c == '\n' || c == '\r'; }
  [[nodiscard]] std::uint32_t column() const { return static_cast<std::uint32_t>(at_ - line_begin_); }

  void begin_line(std::size_t offset) {
    at_ = offset;
    line_begin_ = offset;
  }

  void skip_spaces() {
    while (peek() == ' ') ++at_;
  }

  /// From behind a value: to the content of the next line that has any.
  bool end_line() {
    const std::size_t behind = at_;
    skip_spaces();
    if (peek() == '#' && (at_ == behind && at_ != line_begin_)) return false;  // a comment needs a space before it
    if (peek() == '#') at_ = std::min(bytes_.find('\n', at_), bytes_.size());
    if (peek() == '\r') ++at_;
    if (peek() != '\n') return false;
    if (at_end()) return true;
    begin_line(at_ + 1);
    ++line_;
    return skip_empty_lines();
  }

  bool skip_empty_lines() {
    while (!at_end()) {
      skip_spaces();
      if (peek() == '#') at_ = std::min(bytes_.find('\n', at_), bytes_.size());
      if (peek() == '\r') ++at_;
      if (at_end()) break;
      if (peek() != '\n') return true;
      begin_line(at_ + 1);
      ++line_;
    }
    return true;
  }

  bool spend_node() { return nodes_-- > 0; }

  void place(Node& node, std::size_t length) const {
    node.line = line_;
    node.column = column() + 1;
    node.length = static_cast<std::uint32_t>(length);
  }

  [[nodiscard]] bool at_item() const { return peek() == '-' && (peek(1) == ' ' || ends_line(peek(1))); }

  /// Bytes of the key here, if there is one; 0 otherwise.
  [[nodiscard]] std::size_t key_length() const {
    std::size_t length = 0;
    if (!is(peek(), begins_scalar)) return 0;
    while (is(peek(length), in_key)) ++length;
    if (peek(length) != ':') return 0;
    const char after = peek(length + 1);
    return after == ' ' || ends_line(after) ? length : 0;
  }

  /// A value whose first character is here; what follows on later lines belongs to it if it begins in this column.
  bool read_block(Node& node, std::size_t depth) {
    if (at_item()) return read_sequence(node, depth);
    if (const std::size_t length = key_length(); length > 0) return read_mapping(node, length, depth);
    return read_inline(node, depth) && end_line();
  }

  bool read_sequence(Node& node, std::size_t depth) {
    const std::uint32_t indentation = column();
    if (depth > depth_ || !spend_node()) return false;
    node.type = Type::sequence;
    place(node, 1);
    while (!at_end() && column() == indentation && at_item()) {
      ++at_;
      skip_spaces();
      if (ends_line(peek()) || peek() == '#') {
        if (!end_line() || at_end() || column() <= indentation) return false;
      }
      if (!read_block(node.items.emplace_back(), depth + 1)) return false;
    }
    return at_end() || column() <= indentation;
  }

  bool read_mapping(Node& node, std::size_t first_length, std::size_t depth) {
    const std::uint32_t indentation = column();
    if (depth > depth_ || !spend_node()) return false;
    node.type = Type::mapping;
    place(node, first_length);
    for (std::size_t length = first_length; length > 0;) {
      auto& [key, value] = node.entries.emplace_back();
      if (!read_entry(key, value, length, indentation, depth)) return false;
      if (at_end() || column() < indentation) break;
      if (column() > indentation) return false;
      if (at_item()) break;  // of the list that this mapping is an item of; or a mistake, which that list finds
      length = key_length();
      if (length == 0) return false;
    }
    return !has_duplicates(node);
  }

  bool read_entry(Node& key, Node& value, std::size_t length, std::uint32_t indentation, std::size_t depth) {
    const std::string_view text = bytes_.substr(at_, length);
    if (length > longest_key || is_null_text(text) || !spend_node()) return false;
    key.type = Type::scalar;
    key.text = text;
    place(key, length);
    at_ += length + 1;
    const std::size_t behind = at_;
    skip_spaces();
    const bool ends = ends_line(peek()) || (peek() == '#' && at_ > behind);
    if (!ends) return read_inline(value, depth + 1) && end_line();
    if (!end_line()) return false;
    const bool nested = !at_end() && (column() > indentation || (column() == indentation && at_item()));
    if (nested) return read_block(value, depth + 1);
    value.line = key.line;
    value.column = key.column;
    value.length = key.length;
    return spend_node();
  }

  /// A value that ends on this line.
  bool read_inline(Node& node, std::size_t depth) {
    if (peek() == '\'' || peek() == '"') return read_quoted(node);
    if (peek() == '[') return read_brackets(node, depth);
    if (peek() == '{') return read_braces(node, depth);
    const bool negative = peek() == '-' && is(peek(1), begins_scalar);
    if (!negative && !is(peek(), begins_scalar)) return false;
    const std::string_view rest = bytes_.substr(at_, std::min(bytes_.find('\n', at_), bytes_.size()) - at_);
    std::size_t end = rest.size();
    for (std::size_t i = 0; i < rest.size(); ++i) {
      const char c = rest[i];
      if (c == '\t' || (c == ':' && (i + 1 == rest.size() || rest[i + 1] == ' ' || rest[i + 1] == '\r'))) return false;
      if (c == '\r' || (c == '#' && rest[i - 1] == ' ')) {
        end = i;
        break;
      }
    }
    while (end > 0 && rest[end - 1] == ' ') --end;
    return finish_plain(node, rest.substr(0, end));
  }

  bool finish_plain(Node& node, std::string_view text) {
    if (!spend_node()) return false;
    place(node, count_code_points(text));
    at_ += text.size();
    if (is_null_text(text)) return true;
    node.type = Type::scalar;
    node.text = text;
    return true;
  }

  /// Of one line; with the escapes that are one character each, or none.
  bool read_quoted(Node& node) {
    const std::size_t length = quoted_length(bytes_.substr(at_));
    if (length == 0 || !spend_node()) return false;
    const std::string_view whole = bytes_.substr(at_, length);
    const std::string_view inner = whole.substr(1, length - 2);
    if (inner.find('\t') != std::string_view::npos || inner.find('\r') != std::string_view::npos) return false;
    if (whole[0] == '\'' && inner.find('\'') != std::string_view::npos) return false;
    node.type = Type::scalar;
    node.style = Style::quoted;
    if (whole[0] == '\'' || inner.find('\\') == std::string_view::npos) {
      node.text = inner;
    } else if (!unescape(inner, node.text)) {
      return false;
    }
    const std::uint32_t code_points = count_code_points(whole);
    place(node, code_points);
    at_ += length;
    line_begin_ += length - code_points;  // so that what follows on this line has the right column
    return true;
  }

  static bool unescape(std::string_view inner, std::string& text) {
    constexpr std::string_view escapes = "\"\\/nt";
    constexpr std::string_view meanings = "\"\\/\n\t";
    text.reserve(inner.size());
    for (std::size_t i = 0; i < inner.size(); ++i) {
      if (inner[i] != '\\') {
        text += inner[i];
        continue;
      }
      const std::size_t escape = ++i < inner.size() ? escapes.find(inner[i]) : std::string_view::npos;
      if (escape == std::string_view::npos) return false;
      text += meanings[escape];
    }
    return true;
  }

  /// Between the parts of brackets and braces, where lines mean nothing.
  void skip_flow_spaces() {
    while (!at_end()) {
      const char c = peek();
      if (c != ' ' && c != '\t' && c != '\r' && c != '\n') return;
      if (c == '\n') {
        begin_line(at_ + 1);
        ++line_;
      } else {
        ++at_;
      }
    }
  }

  bool read_flow_value(Node& node, std::size_t depth) {
    if (peek() == '[') return read_brackets(node, depth);
    if (peek() == '{') return read_braces(node, depth);
    if (peek() == '\'' || peek() == '"') return read_quoted(node);
    std::size_t length = peek() == '-' ? 1 : 0;
    if (!is(peek(length), begins_scalar) || !is(peek(length), in_flow_scalar)) return false;
    // Times and port ranges: a colon between two letters or digits.
    while (is(peek(length), in_flow_scalar) || (peek(length) == ':' && is(peek(length + 1), in_flow_scalar))) ++length;
    return finish_plain(node, bytes_.substr(at_, length));
  }

  bool read_brackets(Node& node, std::size_t depth) {
    if (depth > depth_ || !spend_node()) return false;
    node.type = Type::sequence;
    place(node, count_code_points(bytes_.substr(at_, bracketed_length(bytes_.substr(at_)))));
    ++at_;
    skip_flow_spaces();
    while (peek() != ']') {
      if (!read_flow_value(node.items.emplace_back(), depth + 1)) return false;
      if (!read_comma(']')) return false;
    }
    ++at_;
    return true;
  }

  bool read_braces(Node& node, std::size_t depth) {
    if (depth > depth_ || !spend_node()) return false;
    node.type = Type::mapping;
    place(node, count_code_points(bytes_.substr(at_, bracketed_length(bytes_.substr(at_)))));
    ++at_;
    skip_flow_spaces();
    while (peek() != '}') {
      auto& [key, value] = node.entries.emplace_back();
      if (!read_flow_key(key)) return false;
      skip_spaces();
      if (!read_flow_value(value, depth + 1)) return false;
      if (!read_comma('}')) return false;
    }
    ++at_;
    return !has_duplicates(node);
  }

  /// With its colon. Behind a quoted key, that needs no space after it.
  bool read_flow_key(Node& key) {
    if (peek() == '\'' || peek() == '"') {
      const std::size_t begin = at_;
      if (!read_quoted(key) || peek() != ':' || at_ - begin > longest_key) return false;
      ++at_;
      return true;
    }
    const std::size_t length = key_length();
    const std::string_view text = bytes_.substr(at_, length);
    if (length == 0 || length > longest_key || is_null_text(text) || !spend_node()) return false;
    if (peek(length + 1) != ' ') return false;
    key.type = Type::scalar;
    key.text = text;
    place(key, length);
    at_ += length + 1;
    return true;
  }

  bool read_comma(char closing) {
    skip_flow_spaces();
    if (peek() == closing) return true;
    if (peek() != ',') return false;
    ++at_;
    skip_flow_spaces();
    return true;
  }

  [[nodiscard]] static bool has_duplicates(const Node& mapping) {
    const auto& entries = mapping.entries;
    if (entries.size() <= compared_in_pairs) {
      for (std::size_t i = 1; i < entries.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
          if (entries[i].first.text == entries[j].first.text) return true;
        }
      }
      return false;
    }
    std::vector<std::string_view> keys;
    keys.reserve(entries.size());
    for (const auto& [key, value] : entries) keys.push_back(key.text);
    std::sort(keys.begin(), keys.end());
    return std::adjacent_find(keys.begin(), keys.end()) != keys.end();
  }

  std::string_view bytes_;  // to the end of the region
  std::uint32_t line_;
  std::size_t line_begin_ = 0;
  std::size_t at_;
  std::size_t depth_;
  std::size_t nodes_;
};

}  // namespace

std::optional<Node> read_plain(const Text& text, const Region& region, std::size_t depth, std::size_t& nodes) {
  PlainReader reader(text, region, depth, nodes);
  Node root;
  if (!reader.read(root) || root.type == Type::null) return std::nullopt;
  nodes = reader.nodes_left();
  return root;
}

}  // namespace drywall::yaml
