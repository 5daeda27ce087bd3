// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/name.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "policy/stable_hash.h"

namespace drywall {

std::string short_hash(std::string_view text) {
  return fmt::format("{:016x}", stable_hash(text));
}

std::string readable_name(std::string_view role, std::string_view name, std::string_view identity) {
  std::string text(name.substr(0, 40));
  std::ranges::replace_if(
      text, [](unsigned char c) { return std::isalnum(c) == 0 && c != '.' && c != '_' && c != '-'; }, '_');
  return fmt::format("{}-{}-{}", role, text, short_hash(identity));
}

std::string comment_text(std::string_view text) {
  std::string clean(text.substr(0, 120));
  std::ranges::replace_if(
      clean, [](unsigned char c) { return c < 0x20 || c > 0x7e || c == '"' || c == '\\'; }, '?');
  return clean;
}

}  // namespace drywall
