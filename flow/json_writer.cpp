// SPDX-License-Identifier: GPL-2.0-or-later
#include "flow/json_writer.h"

#include <algorithm>

namespace drywall {
namespace {

/// Bytes of the UTF-8 character at the front of `text`, 0 if it is not one (RFC 3629).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U; };
  const auto follows = [&](std::size_t at, unsigned low = 0x80, unsigned high = 0xbf) {
    return byte(at) >= low && byte(at) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first == 0xe0) return follows(1, 0xa0) && follows(2) ? 3 : 0;
  if (first == 0xed) return follows(1, 0x80, 0x9f) && follows(2) ? 3 : 0;
  if (first >= 0xe1 && first <= 0xef) return follows(1) && follows(2) ? 3 : 0;
  if (first == 0xf0) return follows(1, 0x90) && follows(2) && follows(3) ? 4 : 0;
  if (first == 0xf4) return follows(1, 0x80, 0x8f) && follows(2) && follows(3) ? 4 : 0;
  if (first >= 0xf1 && first <= 0xf3) return follows(1) && follows(2) && follows(3) ? 4 : 0;
  return 0;
}

bool is_plain(char character) {
  return character >= 0x20 && character < 0x7f && character != '"' && character != '\\';
}

}  // namespace

void JsonWriter::escape(char character) {
  constexpr std::string_view digits = "0123456789abcdef";
  switch (character) {
    case '"':
      text_ += "\\\"";
      return;
    case '\\':
      text_ += "\\\\";
      return;
    case '\n':
      text_ += "\\n";
      return;
    case '\t':
      text_ += "\\t";
      return;
    default:
      text_ += "\\u00";
      text_ += digits[static_cast<unsigned char>(character) >> 4U];
      text_ += digits[static_cast<unsigned char>(character) & 0xfU];
  }
}

void JsonWriter::text(std::string_view value) {
  comma();
  text_ += '"';
  while (!value.empty()) {
    const auto plain = static_cast<std::size_t>(std::ranges::find_if_not(value, is_plain) - value.begin());
    text_ += value.substr(0, plain);
    value.remove_prefix(plain);
    if (value.empty()) break;
    const std::size_t length = utf8_length(value);
    if (length == 0) {
      text_ += "\xef\xbf\xbd";
    } else if (length == 1) {
      escape(value.front());
    } else {
      text_ += value.substr(0, length);
    }
    value.remove_prefix(std::max<std::size_t>(length, 1));
  }
  text_ += '"';
}

void write_json(JsonWriter& json, const TraceEntry& hit) {
  json.open('{');
  json.key("tier");
  json.text(hit.tier);
  json.key("kind");
  json.text(file_kind(hit.kind));
  json.key("namespace");
  json.text(hit.ns);
  json.key("name");
  json.text(hit.name);
  json.key("rule");
  json.number(hit.rule);
  json.key("action");
  json.text(to_string(hit.action));
  json.key("file");
  json.text(hit.at.file);
  json.key("line");
  json.count(hit.at.line);
  json.close('}');
}

}  // namespace drywall
