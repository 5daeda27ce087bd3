// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policy/diagnostic.h"
#include "policy/yaml.h"

namespace drywall::yaml {

/// One document's part of a file: from its `---` (or `...`, or the file's beginning) to the next one.
struct Region {
  std::size_t begin = 0;   // bytes
  std::size_t end = 0;     // likewise, exclusive
  std::uint32_t line = 0;  // of `begin`, from 1
};

/// What is wrong, before it is known where.
struct Mistake {
  std::string code;
  std::string message;
  std::string help;
};

/// The bytes of a file, checked, with what is needed to say where something stands in them.
class Text {
 public:
  /// `file` is borrowed and must outlive this.
  explicit Text(const SourceFile& file);

  [[nodiscard]] std::string_view name() const { return name_; }
  [[nodiscard]] std::string_view bytes() const { return bytes_; }
  [[nodiscard]] bool has_tabs() const { return has_tabs_; }
  /// The file cut at its document markers; without the byte order mark. Empty if `mistakes` is not.
  [[nodiscard]] const std::vector<Region>& regions() const { return regions_; }
  /// Bytes that no YAML file may hold.
  [[nodiscard]] const Diagnostics& mistakes() const { return mistakes_; }

  [[nodiscard]] std::uint32_t code_points(std::size_t begin, std::size_t end) const;
  [[nodiscard]] std::uint32_t line_at(std::size_t offset) const;   // from 1
  [[nodiscard]] std::size_t line_begin(std::uint32_t line) const;  // offset of its first byte
  [[nodiscard]] std::size_t line_end(std::uint32_t line) const;    // offset of its line ending, or of the end
  [[nodiscard]] std::string_view line(std::uint32_t line) const;   // without its line ending
  /// The underlined place is [begin, end), cut at the end of its line.
  [[nodiscard]] Diagnostic diagnostic(std::size_t begin, std::size_t end, Mistake mistake) const;
  [[nodiscard]] Diagnostic diagnostic(const Node& at, Mistake mistake) const;

 private:
  void check();
  void check_encoding_mark();
  void complain(std::size_t begin, std::size_t length, Mistake mistake);
  void check_control(std::size_t offset);
  std::size_t check_code_point(std::size_t offset);
  void begin_line(std::size_t offset);
  void begin_region(std::size_t offset);
  void count_code_points();

  std::string_view name_;
  std::string_view bytes_;
  std::size_t first_ = 0;  // after the byte order mark
  bool ascii_ = true;
  bool has_tabs_ = false;
  std::vector<std::uint32_t> line_starts_;
  std::vector<std::uint32_t> continuation_bytes_;  // before each block of 64 bytes; empty if all is ASCII
  std::vector<Region> regions_;
  Diagnostics mistakes_;
};

[[nodiscard]] constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t';
}
[[nodiscard]] constexpr bool is_space(char c) {
  return is_blank(c) || c == '\n' || c == '\r';
}

/// Code points of valid UTF-8.
[[nodiscard]] std::uint32_t count_code_points(std::string_view text);

/// The length of the quoted scalar that `text` begins with, quotes included; 0 if its end is not on this line.
[[nodiscard]] std::size_t quoted_length(std::string_view text);

/// The length of the brackets that `text` begins with, both included; 1 if they do not close soon on this line.
[[nodiscard]] std::size_t bracketed_length(std::string_view text);

[[nodiscard]] bool is_utf8(std::string_view text);

/// "null", "Null", "NULL", "~" or nothing.
[[nodiscard]] bool is_null_text(std::string_view text);

}  // namespace drywall::yaml
