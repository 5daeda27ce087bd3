// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "policy/plan.h"

namespace drywall {

/// Appends JSON to a text; puts commas where they belong.
class JsonWriter {
 public:
  JsonWriter() { text_.reserve(1024); }
  void open(char bracket) {
    comma();
    text_ += bracket;
    is_first_ = true;
  }
  void close(char bracket) {
    text_ += bracket;
    is_first_ = false;
  }
  /// `name` needs no escaping.
  void key(std::string_view name) {
    comma();
    text_ += '"';
    text_ += name;
    text_ += "\":";
    is_first_ = true;
  }
  void text_key(std::string_view name) {
    text(name);
    text_ += ':';
    is_first_ = true;
  }
  /// Escaped; what is not UTF-8 (names of interfaces may hold any bytes) becomes U+FFFD.
  void text(std::string_view value);
  void number(std::int64_t value) {
    comma();
    append(value);
  }
  void count(std::uint64_t value) {
    comma();
    append(value);
  }
  void boolean(bool value) { word(value ? "true" : "false"); }
  void null() { word("null"); }
  /// A line is complete: the next value begins a new one.
  void end_line() {
    text_ += '\n';
    is_first_ = true;
  }
  [[nodiscard]] const std::string& so_far() const { return text_; }
  void clear() { text_.clear(); }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void comma() {
    if (!is_first_) text_ += ',';
    is_first_ = false;
  }
  void word(std::string_view value) {
    comma();
    text_ += value;
  }
  template <class Number>
  void append(Number value) {
    std::array<char, 24> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    text_.append(digits.data(), end);
  }
  void escape(char character);

  std::string text_;
  bool is_first_ = true;
};

/// A trace entry as every JSON of ours has it: {"tier","kind","namespace","name","rule","action","file","line"}.
void write_json(JsonWriter& json, const TraceEntry& entry);

}  // namespace drywall
