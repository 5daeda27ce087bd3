// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/yaml_edit.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "policy/yaml_text.h"

namespace drywall::yaml {
namespace {

/// Bytes of a text that go, and what comes in their place.
struct Splice {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string text;
};

std::string applied(std::string_view text, const Splice& splice) {
  std::string out(text.substr(0, splice.begin));
  out += splice.text;
  out += text.substr(splice.end);
  return out;
}

bool says_nothing(const Node& node) {
  return node.type == Type::null || (node.type != Type::scalar && node.items.empty() && node.entries.empty());
}

/// The same values, wherever they stand; a value that lost its last entry may be null.
bool same_meaning(const Node& a, const Node& b) {
  if (says_nothing(a) && says_nothing(b)) return true;
  if (a.type != b.type || a.style != b.style || a.text != b.text) return false;
  const auto same_entry = [](const auto& x, const auto& y) {
    return same_meaning(x.first, y.first) && same_meaning(x.second, y.second);
  };
  return std::ranges::equal(a.items, b.items, same_meaning) && std::ranges::equal(a.entries, b.entries, same_entry);
}

/// The edited text, if it says what was meant.
std::optional<Page> checked(const Page& page, const Splice& splice, const std::vector<Node>& meant) {
  std::optional<Page> edited = read_page(applied(page.text, splice));
  if (!edited || !std::ranges::equal(edited->roots, meant, same_meaning)) return std::nullopt;
  return edited;
}

/// The value that is meant for `up` 0, the one above it for 1.
Node& value_at(std::vector<Node>& roots, const Address& at, std::size_t up) {
  Node* node = &roots[at.root];
  for (std::size_t i = 0; i + up < at.steps.size(); ++i) {
    node = node->type == Type::mapping ? &node->entries[at.steps[i]].second : &node->items[at.steps[i]];
  }
  return *node;
}

/// The byte where a value begins, or its key.
std::size_t offset_of(const Text& text, const Node& node) {
  std::size_t offset = text.line_begin(node.line);
  for (std::uint32_t column = 1; column < node.column && offset < text.bytes().size(); ++column) {
    ++offset;
    while (offset < text.bytes().size() && (static_cast<unsigned char>(text.bytes()[offset]) & 0xC0U) == 0x80U) {
      ++offset;
    }
  }
  return offset;
}

bool is_blank_text(std::string_view text) {
  return std::ranges::all_of(text, is_space);
}

std::size_t next_line(const Text& text, std::size_t offset) {
  const std::size_t newline = text.bytes().find('\n', offset);
  return newline == std::string_view::npos ? text.bytes().size() : newline + 1;
}

std::size_t line_begin_at(const Text& text, std::size_t offset) {
  return text.line_begin(text.line_at(offset));
}

/// What stands before `offset` on its line.
std::string_view before_on_line(const Text& text, std::size_t offset) {
  const std::size_t begin = line_begin_at(text, offset);
  return text.bytes().substr(begin, offset - begin);
}

/// The end of the value in brackets or quotes, or of the word, that begins there; npos: it has none.
std::size_t flow_value_end(std::string_view bytes, std::size_t begin) {
  std::size_t depth = 0;
  for (std::size_t i = begin; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (c == '"' || c == '\'') {
      const std::size_t length = quoted_length(bytes.substr(i));
      if (length == 0) return std::string_view::npos;
      i += length - 1;
      if (depth == 0) return i + 1;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (depth > 0 && (c == ']' || c == '}')) {
      if (--depth == 0) return i + 1;
    } else if (depth == 0 && (c == ',' || c == ']' || c == '}' || c == '\n' || c == '#')) {
      while (i > begin && is_space(bytes[i - 1])) --i;
      return i;
    }
  }
  return std::string_view::npos;
}

/// Of a list or mapping in brackets, with the comma that is then too much.
std::optional<Splice> flow_element(const Text& text, std::size_t begin, std::size_t value) {
  const std::string_view bytes = text.bytes();
  const std::size_t end = flow_value_end(bytes, value);
  if (end == std::string_view::npos) return std::nullopt;
  std::size_t after = end;
  while (after < bytes.size() && is_space(bytes[after])) ++after;
  if (after >= bytes.size()) return std::nullopt;
  if (bytes[after] == ',') {
    ++after;
    const std::size_t line_end = next_line(text, after);
    const bool has_own_lines =
        is_blank_text(before_on_line(text, begin)) && is_blank_text(bytes.substr(after, line_end - after));
    if (has_own_lines) return Splice{line_begin_at(text, begin), line_end, {}};
    while (after < bytes.size() && is_blank(bytes[after])) ++after;
    return Splice{begin, after, {}};
  }
  std::size_t before = begin;
  while (before > 0 && is_space(bytes[before - 1])) --before;
  if (before > 0 && bytes[before - 1] == ',') return Splice{before - 1, end, {}};
  return Splice{begin, end, {}};
}

std::optional<Splice> block_entry(const Text& text, const Node& key, const Node& value) {
  const std::size_t begin = offset_of(text, key);
  if (!is_blank_text(before_on_line(text, begin))) return std::nullopt;
  return Splice{text.line_begin(key.line), next_line(text, text.line_begin(value.line)), {}};
}

std::size_t indentation(std::string_view line) {
  return std::min(line.find_first_not_of(' '), line.size());
}

/// An item after its `- `, up to the first line that is not indented more than the dash.
std::optional<Splice> block_item(const Text& text, const Node& item) {
  const std::string_view before = before_on_line(text, offset_of(text, item));
  const std::size_t dash = indentation(before);
  if (dash >= before.size() || before[dash] != '-' || !is_blank_text(before.substr(dash + 1))) return std::nullopt;
  const std::size_t begin = text.line_begin(item.line);
  std::size_t end = next_line(text, begin);
  while (end < text.bytes().size()) {
    const std::size_t next = next_line(text, end);
    const std::string_view line = text.bytes().substr(end, next - end);
    const bool belongs = is_blank_text(line) || indentation(line) > dash;
    if (!belongs) break;
    end = next;
  }
  return Splice{begin, end, {}};
}

bool is_comment_or_blank(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos || line[first] == '#';
}

/// Where the comments at the head of the file end.
std::size_t head_end(const Text& text, const Region& region) {
  std::size_t at = region.begin;
  while (at < region.end) {
    const std::size_t next = next_line(text, at);
    if (!is_comment_or_blank(text.bytes().substr(at, next - at))) break;
    at = next;
  }
  return at;
}

}  // namespace

std::optional<Page> read_page(std::string text) {
  SourceFile file{{}, std::move(text)};
  Documents documents = load(file);
  if (has_errors(documents.diagnostics)) return std::nullopt;
  return Page{std::move(file.text), std::move(documents.roots)};
}

std::optional<Page> with_scalar(const Page& page, const Address& at, const std::string& to) {
  const SourceFile file{{}, page.text};
  const Text text(file);
  std::vector<Node> meant = page.roots;
  Node& scalar = value_at(meant, at, 0);
  std::size_t begin = offset_of(text, scalar);
  const std::string from = std::exchange(scalar.text, to);
  if (begin < page.text.size() && (page.text[begin] == '"' || page.text[begin] == '\'')) ++begin;
  if (from.empty() || page.text.compare(begin, from.size(), from) != 0) return std::nullopt;
  return checked(page, {begin, begin + from.size(), to}, meant);
}

std::optional<Page> without_value(const Page& page, const Address& at) {
  const SourceFile file{{}, page.text};
  const Text text(file);
  std::vector<Node> meant = page.roots;
  Node& parent = value_at(meant, at, 1);
  const std::size_t step = at.steps.back();
  const std::size_t offset = offset_of(text, parent);
  const bool in_brackets = offset < page.text.size() && (page.text[offset] == '{' || page.text[offset] == '[');
  std::optional<Splice> splice;
  if (parent.type == Type::mapping) {
    const auto& [key, value] = parent.entries[step];
    splice =
        in_brackets ? flow_element(text, offset_of(text, key), offset_of(text, value)) : block_entry(text, key, value);
    parent.entries.erase(parent.entries.begin() + static_cast<std::ptrdiff_t>(step));
  } else {
    const std::size_t begin = offset_of(text, parent.items[step]);
    splice = in_brackets ? flow_element(text, begin, begin) : block_item(text, parent.items[step]);
    parent.items.erase(parent.items.begin() + static_cast<std::ptrdiff_t>(step));
  }
  return splice ? checked(page, *splice, meant) : std::nullopt;
}

std::optional<Page> without_document(const Page& page, std::size_t root) {
  const SourceFile file{{}, page.text};
  const Text text(file);
  std::vector<Node> meant = page.roots;
  const std::size_t offset = offset_of(text, meant[root]);
  meant.erase(meant.begin() + static_cast<std::ptrdiff_t>(root));
  const auto holds_it = [&](const Region& region) { return region.begin <= offset && offset < region.end; };
  const auto region = std::ranges::find_if(text.regions(), holds_it);
  if (region == text.regions().end()) return std::nullopt;
  const bool is_first = region == text.regions().begin();
  return checked(page, {is_first ? head_end(text, *region) : region->begin, region->end, {}}, meant);
}

}  // namespace drywall::yaml
