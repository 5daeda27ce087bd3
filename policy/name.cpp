// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/name.h"

#include <algorithm>

namespace drywall::reading {
namespace {

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_alphanumeric(char c) {
  return is_lower(c) || is_upper(c) || is_digit(c);
}

template <class Predicate>
bool every(std::string_view text, Predicate holds) {
  return std::all_of(text.begin(), text.end(), holds);
}

/// A word of `inner` characters whose first and last are letters or digits.
template <class Predicate>
bool is_word(std::string_view text, Predicate inner) {
  return !text.empty() && is_alphanumeric(text.front()) && is_alphanumeric(text.back()) && every(text, inner);
}

bool is_label_word(std::string_view text) {
  return text.size() <= longest_label &&
         is_word(text, [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

}  // namespace

bool is_dns_label(std::string_view text) {
  return is_word(text, [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
}

bool is_dns_subdomain(std::string_view text) {
  while (true) {
    const std::size_t dot = text.find('.');
    if (!is_dns_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_qualified_name(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return is_label_word(text);
  const std::string_view prefix = text.substr(0, slash);
  return prefix.size() <= longest_name && is_dns_subdomain(prefix) && is_label_word(text.substr(slash + 1));
}

bool is_label_value(std::string_view text) {
  return text.empty() || is_label_word(text);
}

bool is_port_name(std::string_view text) {
  return text.size() <= 15 && is_dns_label(text) && text.find("--") == std::string_view::npos &&
         std::any_of(text.begin(), text.end(), is_lower);
}

bool is_interface_name(std::string_view text) {
  return !text.empty() && text.size() <= 15 &&
         every(text, [](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_container_id(std::string_view text) {
  return is_word(text, [](char c) { return is_alphanumeric(c) || c == '-'; });
}

}  // namespace drywall::reading
