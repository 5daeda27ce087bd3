// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/diagnostic.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <tuple>

namespace drywall {
namespace {

constexpr std::size_t window = 100;  // code points of a line that are shown
constexpr std::size_t lead = 60;     // of these, at most so many before the caret when the line is cut
constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

struct CodePoint {
  char32_t value = 0;
  std::size_t bytes = 1;
  bool valid = false;
};

/// The first code point of `text`, which is not empty. A byte that is not UTF-8 counts as one invalid code point.
CodePoint first_code_point(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead_byte = byte(0);
  if (lead_byte < 0x80) return {lead_byte, 1, true};
  const std::size_t bytes = lead_byte >= 0xF0 ? 4 : lead_byte >= 0xE0 ? 3 : 2;
  if (lead_byte < 0xC2 || lead_byte > 0xF4 || text.size() < bytes) return {lead_byte, 1, false};
  char32_t value = lead_byte & (0xFFU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return {lead_byte, 1, false};
    value = (value << 6U) | (byte(i) & 0x3FU);
  }
  const bool overlong = (bytes == 3 && value < 0x800) || (bytes == 4 && value < 0x10000);
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (overlong || surrogate || value > 0x10FFFF) return {lead_byte, 1, false};
  return {value, bytes, true};
}

/// Characters that move the cursor, colour the terminal or turn the direction of the text.
bool deceives_terminal(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

/// What stands in one column for a code point: itself if it is harmless, a visible stand-in otherwise.
void append_visible(std::string& out, std::string_view text, const CodePoint& point) {
  if (!point.valid) {
    out += replacement;
  } else if (point.value == '\t') {
    out += ' ';
  } else if (point.value < 0x20) {
    out += {'\xE2', '\x90', static_cast<char>(0x80 + point.value)};  // U+2400.., the pictures of the controls
  } else if (deceives_terminal(point.value)) {
    out += replacement;
  } else {
    out += text.substr(0, point.bytes);
  }
}

std::string visible(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = first_code_point(text);
    append_visible(out, text, point);
    text.remove_prefix(point.bytes);
  }
  return out;
}

/// The line and the underline below it.
///   column   of the caret, from 1; may be one past the end of the line, never further right than that is printed
std::string picture(const Diagnostic& diagnostic) {
  const std::size_t column = std::max<std::size_t>(diagnostic.at.column, 1);
  const std::size_t first = column > lead + 1 ? column - lead : 1;  // column of the first code point shown
  std::string shown = first > 1 ? "..." : "";
  std::size_t at = 1;
  std::string_view rest = diagnostic.excerpt;
  for (; !rest.empty() && at < first + window; ++at) {
    const CodePoint point = first_code_point(rest);
    if (at >= first) append_visible(shown, rest, point);
    rest.remove_prefix(point.bytes);
  }
  const std::size_t end = at;  // one past the last column shown
  if (!rest.empty()) shown += "...";
  const std::size_t caret = std::min(column, end);
  const std::size_t indent = (first > 1 ? 3 : 0) + (caret > first ? caret - first : 0);
  const std::size_t room = end > caret ? end - caret : 1;
  const std::size_t length = std::clamp<std::size_t>(diagnostic.length, 1, room);
  return fmt::format("{:>5} | {}\n{:>5} | {}^{}\n", diagnostic.at.line, shown, "", std::string(indent, ' '),
                     std::string(length - 1, '~'));
}

}  // namespace

bool has_errors(const Diagnostics& diagnostics) {
  return std::any_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& d) { return d.severity == Severity::error; });
}

std::string to_string(const SourceLocation& at) {
  if (at.line == 0) return visible(at.file);
  if (at.column == 0) return fmt::format("{}:{}", visible(at.file), at.line);
  return fmt::format("{}:{}:{}", visible(at.file), at.line, at.column);
}

std::string to_string(const Diagnostic& diagnostic) {
  const std::string_view severity = diagnostic.severity == Severity::error ? "error" : "warning";
  std::string out = fmt::format("{}: {}: {}", to_string(diagnostic.at), severity, visible(diagnostic.message));
  if (!diagnostic.code.empty()) out += fmt::format(" [{}]", diagnostic.code);
  out += '\n';
  if (!diagnostic.excerpt.empty() && diagnostic.at.line != 0) out += picture(diagnostic);
  if (!diagnostic.help.empty()) out += fmt::format("help: {}\n", visible(diagnostic.help));
  return out;
}

void sort_diagnostics(Diagnostics& diagnostics) {
  const auto key = [](const Diagnostic& d) { return std::tie(d.at, d.severity, d.code, d.message, d.help, d.length); };
  std::stable_sort(diagnostics.begin(), diagnostics.end(),
                   [&](const Diagnostic& a, const Diagnostic& b) { return key(a) < key(b); });
  diagnostics.erase(std::unique(diagnostics.begin(), diagnostics.end()), diagnostics.end());
}

}  // namespace drywall
