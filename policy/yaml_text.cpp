// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/yaml_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace drywall::yaml {
namespace {

constexpr std::size_t most_mistakes = 20;            // of bytes; a binary file is not listed byte by byte
constexpr std::size_t longest_excerpt = 64U << 10U;  // bytes; the line of a longer one is not quoted
constexpr std::size_t block = 64;                    // bytes, of `continuation_bytes_`

enum class ByteClass : std::uint8_t { plain, newline, tab, carriage_return, control, high };

constexpr std::array<ByteClass, 256> byte_classes = [] {
  std::array<ByteClass, 256> classes{};
  for (std::size_t i = 0; i < 0x20; ++i) classes[i] = ByteClass::control;
  classes['\n'] = ByteClass::newline;
  classes['\t'] = ByteClass::tab;
  classes['\r'] = ByteClass::carriage_return;
  classes[0x7F] = ByteClass::control;
  for (std::size_t i = 0x80; i < 0x100; ++i) classes[i] = ByteClass::high;
  return classes;
}();

constexpr bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

struct Decoded {
  char32_t value = 0;
  std::size_t bytes = 0;  // 0: not UTF-8
};

/// Reads one code point beyond ASCII.
Decoded decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0xC2 || lead > 0xF4) return {};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (text.size() < bytes) return {};
  char32_t value = lead & (0xFFU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if (!is_continuation(text[i])) return {};
    value = (value << 6U) | (byte(i) & 0x3FU);
  }
  const bool overlong = (bytes == 3 && value < 0x800) || (bytes == 4 && value < 0x10000);
  if (overlong || (value >= 0xD800 && value <= 0xDFFF) || value > 0x10FFFF) return {};
  return {value, bytes};
}

bool is_document_marker(std::string_view line) {
  if (!line.starts_with("---") && !line.starts_with("...")) return false;
  return line.size() == 3 || line[3] == ' ' || line[3] == '\t' || line[3] == '\n' || line[3] == '\r';
}

}  // namespace

std::uint32_t count_code_points(std::string_view text) {
  return static_cast<std::uint32_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

std::size_t quoted_length(std::string_view text) {
  if (text.empty()) return 0;
  const char quote = text[0];
  for (std::size_t i = 1; i < text.size() && text[i] != '\n'; ++i) {
    if (quote == '"' && text[i] == '\\') {
      if (i + 1 < text.size() && text[i + 1] == '\n') return 0;
      ++i;
    } else if (text[i] == quote) {
      if (quote == '\'' && i + 1 < text.size() && text[i + 1] == '\'') {
        ++i;
      } else {
        return i + 1;
      }
    }
  }
  return 0;
}

std::size_t bracketed_length(std::string_view text) {
  constexpr std::size_t far = 200;  // bytes
  std::size_t depth = 0;
  for (std::size_t i = 0; i < std::min(far, text.size()) && text[i] != '\n'; ++i) {
    const char c = text[i];
    const bool begins_scalar = i > 0 && std::string_view(" \t,:[{").find(text[i - 1]) != std::string_view::npos;
    if (c == '[' || c == '{') ++depth;
    if ((c == ']' || c == '}') && --depth == 0) return i + 1;
    if ((c == '\'' || c == '"') && begins_scalar) i += std::max<std::size_t>(quoted_length(text.substr(i)), 1) - 1;
  }
  return 1;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const bool ascii = static_cast<unsigned char>(text[0]) < 0x80;
    const std::size_t bytes = ascii ? 1 : decode(text.substr(0, 4)).bytes;
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

bool is_null_text(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

Text::Text(const SourceFile& file) : name_(file.name), bytes_(file.text) {
  check_encoding_mark();
  if (mistakes_.empty()) check();
  if (!ascii_) count_code_points();
  if (!mistakes_.empty()) regions_.clear();
  if (!regions_.empty()) regions_.back().end = bytes_.size();
}

void Text::check_encoding_mark() {
  line_starts_.push_back(0);
  const bool little = bytes_.starts_with("\xFF\xFE");
  const bool big = bytes_.starts_with("\xFE\xFF");
  if (little || big) {
    mistakes_.push_back({{std::string(name_), 1, 1},
                         1,
                         Severity::error,
                         "yaml-encoding",
                         "the file is UTF-16, not UTF-8",
                         "save it as UTF-8: iconv -f UTF-16 -t UTF-8",
                         {}});
  }
  if (bytes_.starts_with("\xEF\xBB\xBF")) line_starts_[0] = static_cast<std::uint32_t>(first_ = 3);
}

void Text::check() {
  begin_region(first_);
  for (std::size_t i = first_; i < bytes_.size() && mistakes_.size() < most_mistakes;) {
    switch (byte_classes[static_cast<unsigned char>(bytes_[i])]) {
      case ByteClass::plain:
        ++i;
        break;
      case ByteClass::newline:
        begin_line(++i);
        break;
      case ByteClass::tab:
        has_tabs_ = true;
        ++i;
        break;
      case ByteClass::carriage_return:
        if (i + 1 >= bytes_.size() || bytes_[i + 1] != '\n') check_control(i);
        ++i;
        break;
      case ByteClass::control:
        check_control(i);
        ++i;
        break;
      case ByteClass::high:
        ascii_ = false;
        i += check_code_point(i);
        break;
    }
  }
}

void Text::begin_line(std::size_t offset) {
  line_starts_.push_back(static_cast<std::uint32_t>(offset));
  if (offset < bytes_.size() && (bytes_[offset] == '-' || bytes_[offset] == '.') &&
      is_document_marker(bytes_.substr(offset, 4))) {
    begin_region(offset);
  }
}

void Text::begin_region(std::size_t offset) {
  if (!regions_.empty()) regions_.back().end = offset;
  regions_.push_back({offset, bytes_.size(), static_cast<std::uint32_t>(line_starts_.size())});
}

/// One mistake for each line is enough.
void Text::complain(std::size_t begin, std::size_t length, Mistake mistake) {
  const auto line = static_cast<std::uint32_t>(line_starts_.size());
  if (!mistakes_.empty() && mistakes_.back().at.line == line) return;
  mistakes_.push_back(diagnostic(begin, begin + length, std::move(mistake)));
}

void Text::check_control(std::size_t offset) {
  const auto byte = static_cast<unsigned char>(bytes_[offset]);
  if (byte == 0) {
    const bool wide = offset < 4 || (offset + 2 < bytes_.size() && bytes_[offset + 2] == '\0');
    complain(offset, 1,
             {"yaml-nul", "the file holds a NUL byte",
              wide ? "it may be UTF-16: save it as UTF-8" : "is this a text file? remove the byte"});
  } else if (byte == '\r') {
    complain(offset, 1,
             {"yaml-control", "a carriage return that does not end a line",
              "end lines with a newline: tr '\\r' '\\n', or dos2unix -c mac"});
  } else {
    complain(offset, 1,
             {"yaml-control", fmt::format("control character 0x{:02X}", byte),
              fmt::format("remove it, or write \"\\x{:02X}\" in double quotes", byte)});
  }
}

/// Returns how many bytes to go on.
std::size_t Text::check_code_point(std::size_t offset) {
  const Decoded decoded = decode(bytes_.substr(offset, 4));
  if (decoded.bytes == 0) {
    complain(offset, 1,
             {"yaml-utf8", fmt::format("byte 0x{:02X} is not UTF-8", static_cast<unsigned char>(bytes_[offset])),
              "save the file as UTF-8"});
    return 1;
  }
  if (decoded.value == 0xFEFF) {
    complain(offset, decoded.bytes,
             {"yaml-encoding", "a byte order mark (U+FEFF) within the file",
              "remove it; it may only be the first character of a file"});
  } else if ((decoded.value < 0xA0 && decoded.value != 0x85) || decoded.value == 0xFFFE || decoded.value == 0xFFFF) {
    complain(
        offset, decoded.bytes,
        {"yaml-control", fmt::format("control character U+{:04X}", static_cast<std::uint32_t>(decoded.value)),
         fmt::format("remove it, or write \"\\u{:04X}\" in double quotes", static_cast<std::uint32_t>(decoded.value))});
  }
  return decoded.bytes;
}

void Text::count_code_points() {
  continuation_bytes_.reserve(bytes_.size() / block + 1);
  std::uint32_t seen = 0;
  for (std::size_t i = 0; i < bytes_.size(); ++i) {
    if (i % block == 0) continuation_bytes_.push_back(seen);
    if (is_continuation(bytes_[i])) ++seen;
  }
}

std::uint32_t Text::code_points(std::size_t begin, std::size_t end) const {
  const auto span = static_cast<std::uint32_t>(end - begin);
  if (ascii_ || span == 0) return span;
  if (span <= 2 * block || continuation_bytes_.empty()) {
    return yaml::count_code_points(bytes_.substr(begin, span));
  }
  const auto before = [&](std::size_t offset) {
    const std::size_t start = (offset - 1) / block * block;
    const std::string_view rest = bytes_.substr(start, offset - start);
    return continuation_bytes_[start / block] + static_cast<std::uint32_t>(rest.size()) - yaml::count_code_points(rest);
  };
  return span - (before(end) - (begin == 0 ? 0 : before(begin)));
}

std::uint32_t Text::line_at(std::size_t offset) const {
  const auto above = std::upper_bound(line_starts_.begin(), line_starts_.end(), offset);
  return std::max<std::uint32_t>(1, static_cast<std::uint32_t>(above - line_starts_.begin()));
}

std::size_t Text::line_begin(std::uint32_t line) const {
  return line_starts_[line - 1];
}

std::size_t Text::line_end(std::uint32_t line) const {
  const std::size_t newline = bytes_.find('\n', line_begin(line));
  if (newline == std::string_view::npos) return bytes_.size();
  return newline > line_begin(line) && bytes_[newline - 1] == '\r' ? newline - 1 : newline;
}

std::string_view Text::line(std::uint32_t line) const {
  return bytes_.substr(line_begin(line), line_end(line) - line_begin(line));
}

Diagnostic Text::diagnostic(std::size_t begin, std::size_t end, Mistake mistake) const {
  const std::uint32_t line_number = line_at(begin);
  const std::string_view whole = line(line_number);
  const std::size_t stop = std::max(begin, std::min(end, line_end(line_number)));
  Diagnostic diagnostic;
  diagnostic.at = {std::string(name_), line_number, 1 + code_points(line_begin(line_number), begin)};
  diagnostic.length = std::max<std::uint32_t>(1, code_points(begin, stop));
  diagnostic.code = std::move(mistake.code);
  diagnostic.message = std::move(mistake.message);
  diagnostic.help = std::move(mistake.help);
  if (whole.size() <= longest_excerpt) diagnostic.excerpt = whole;
  return diagnostic;
}

Diagnostic Text::diagnostic(const Node& at, Mistake mistake) const {
  const std::string_view whole = line(at.line);
  Diagnostic diagnostic;
  diagnostic.at = {std::string(name_), at.line, at.column};
  diagnostic.length = at.length;
  diagnostic.code = std::move(mistake.code);
  diagnostic.message = std::move(mistake.message);
  diagnostic.help = std::move(mistake.help);
  if (whole.size() <= longest_excerpt) diagnostic.excerpt = whole;
  return diagnostic;
}

}  // namespace drywall::yaml
