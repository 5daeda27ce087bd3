// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/yaml_feed.h"

#include <algorithm>
#include <optional>
#include <string_view>

namespace drywall::yaml {
namespace {

/// While a value in brackets may yet turn out to be a key, yaml-cpp keeps all of its tokens, some hundred bytes each,
/// and reports nothing. So many characters that can make a token may lie ahead of the last event.
constexpr std::size_t most_tokens_ahead = 1'000'000;

bool makes_token(char c) {
  return std::string_view("[]{},:?\"'!&*").find(c) != std::string_view::npos;
}

bool is_high_surrogate(std::string_view escape) {
  return escape.size() >= 6 && escape[0] == '\\' && escape[1] == 'u' && (escape[2] == 'd' || escape[2] == 'D') &&
         std::string_view("89abAB").find(escape[3]) != std::string_view::npos;
}

bool is_low_surrogate(std::string_view escape) {
  return escape.size() >= 6 && escape[0] == '\\' && escape[1] == 'u' && (escape[2] == 'd' || escape[2] == 'D') &&
         std::string_view("cdefCDEF").find(escape[3]) != std::string_view::npos;
}

std::optional<char32_t> hexadecimal(std::string_view digits) {
  char32_t value = 0;
  for (const char c : digits) {
    const std::size_t digit =
        std::string_view("0123456789abcdef").find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
    if (digit == std::string_view::npos) return std::nullopt;
    value = value * 16 + static_cast<char32_t>(digit);
  }
  return value;
}

/// The UTF-8 of an escaped surrogate pair (\uD83D\uDE00); empty if `text` does not begin with one.
std::string surrogate_pair(std::string_view text) {
  if (text.size() < 12 || !is_high_surrogate(text) || !is_low_surrogate(text.substr(6))) return {};
  const auto high = hexadecimal(text.substr(2, 4));
  const auto low = hexadecimal(text.substr(8, 4));
  if (!high || !low) return {};
  const char32_t c = 0x10000 + ((*high - 0xD800) << 10U) + (*low - 0xDC00);
  return {static_cast<char>(0xF0 | (c >> 18U)), static_cast<char>(0x80 | ((c >> 12U) & 0x3FU)),
          static_cast<char>(0x80 | ((c >> 6U) & 0x3FU)), static_cast<char>(0x80 | (c & 0x3FU))};
}

/// Undoes the surrogate pairs of JSON strings, which yaml-cpp refuses. What follows the string keeps its place: the
/// room that is won becomes spaces after the closing quote.
void undo_surrogate_pairs(std::string& json) {
  std::size_t out = 0;
  bool in_string = false;
  for (std::size_t in = 0; in < json.size();) {
    const std::string_view rest = std::string_view(json).substr(in);
    if (!in_string) {
      in_string = rest[0] == '"';
      json[out++] = json[in++];
    } else if (const std::string pair = surrogate_pair(rest); !pair.empty()) {
      json.replace(out, pair.size(), pair);
      out += pair.size();
      in += 12;
    } else if (rest[0] == '\\' && rest.size() > 1) {
      json[out++] = json[in++];
      json[out++] = json[in++];
    } else {
      in_string = rest[0] != '"';
      json[out++] = json[in++];
      while (!in_string && out < in) json[out++] = ' ';
    }
  }
  while (out < json.size()) json[out++] = ' ';
}

/// Whether every quote of the text begins or ends a JSON string. YAML in brackets need not be JSON: [it's, a "b"].
bool has_json_strings(std::string_view text) {
  char before = '[';  // the last character that is no space
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      const std::size_t length = quoted_length(text.substr(i));
      if (length == 0 || std::string_view("[{,:").find(before) == std::string_view::npos) return false;
      i += length - 1;
    } else if (c == '\'' || c == '#') {
      return false;
    }
    if (!is_space(c)) before = c;
  }
  return true;
}

/// `name` is what the user called the file.
bool is_json_name(std::string_view name) {
  return name.ends_with(".json") || name.ends_with(".JSON");
}

}  // namespace

Feed feed_for(const Text& text, const Region& region) {
  const std::string_view bytes = text.bytes().substr(0, region.end);
  std::size_t begin = region.begin;
  if (bytes.substr(begin).starts_with("...")) begin += 3;
  std::size_t content = begin;
  if (bytes.substr(content).starts_with("---")) content += 3;
  while (content < bytes.size() && is_space(bytes[content])) ++content;
  const bool brackets = content < bytes.size() && (bytes[content] == '{' || bytes[content] == '[');
  if (brackets) begin = content;
  Feed feed;
  feed.begin = begin;
  if (brackets) feed.text = "--- ";
  feed.prefix = feed.text.size();
  feed.text += bytes.substr(begin);
  const bool escapes = brackets && is_json_name(text.name()) && feed.text.find("\\u") != std::string::npos;
  if (escapes && has_json_strings(bytes.substr(begin))) undo_surrogate_pairs(feed.text);
  if (!feed.text.ends_with('\n')) feed.text += '\n';
  feed.text += "...\n";
  return feed;
}

FeedBuffer::FeedBuffer(std::string& feed) {
  setg(feed.data(), feed.data(), feed.data() + feed.size());
}

void FeedBuffer::delivered(std::size_t offset) {
  delivered_ = std::max(delivered_, offset);
}

std::streamsize FeedBuffer::xsgetn(char* to, std::streamsize count) {
  count = std::min<std::streamsize>(count, egptr() - gptr());
  for (; counted_ < delivered_; ++counted_) tokens_ahead_ -= makes_token(eback()[counted_]) ? 1 : 0;
  const std::size_t read = static_cast<std::size_t>(gptr() - eback());
  for (std::size_t i = std::max(read, counted_); i < read + static_cast<std::size_t>(count); ++i) {
    tokens_ahead_ += makes_token(eback()[i]) ? 1 : 0;
  }
  if (tokens_ahead_ > most_tokens_ahead) {
    ran_ahead_ = true;
    throw RanAhead{};
  }
  std::copy_n(gptr(), count, to);
  setg(eback(), gptr() + count, egptr());
  return count;
}

}  // namespace drywall::yaml
