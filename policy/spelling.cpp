// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/spelling.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>

namespace drywall::reading {
namespace {

constexpr std::size_t longest_word = 63;  // nothing that we suggest is longer

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool starts_code_point(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
}

using Row = std::array<std::size_t, longest_word + 1>;

/// Insertions, deletions, substitutions and exchanges of neighbours that make `a` into `b`, case ignored.
///   a, b  at most longest_word bytes
std::size_t edits(std::string_view a, std::string_view b) {
  Row before_last{};
  Row last{};
  Row row{};
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      const bool exchanged = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]);
      if (exchanged) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last = last;
    last = row;
  }
  return last[b.size()];
}

}  // namespace

std::string in_quotes(std::string_view text) {
  constexpr std::size_t most = 60;
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (starts_code_point(text[i]) && count++ == most) return fmt::format("\"{}...\"", text.substr(0, i));
  }
  return fmt::format("\"{}\"", text);
}

std::string_view shortened(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && !starts_code_point(text[most])) --most;
  return text.substr(0, most);
}

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts_code_point));
}

bool equal_but_for_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

std::vector<std::string_view> nearest(std::string_view text, std::span<const std::string_view> words) {
  constexpr std::size_t most = 3;
  if (text.empty() || text.size() > longest_word) return {};
  std::vector<std::string_view> best;
  std::size_t fewest = text.size() <= 4 ? 1 : text.size() / 3;
  for (const std::string_view word : words) {
    if (word.empty() || word.size() > longest_word) continue;
    const std::size_t distance = edits(text, word);
    if (distance > fewest) continue;
    if (distance < fewest) best.clear();
    fewest = distance;
    if (std::find(best.begin(), best.end(), word) == best.end()) best.push_back(word);
  }
  if (best.size() > most) best.clear();
  return best;
}

std::string did_you_mean(std::string_view text, std::span<const std::string_view> words) {
  const std::vector<std::string_view> meant = nearest(text, words);
  return meant.empty() ? std::string() : fmt::format("did you mean {}?", either(meant));
}

std::string either(std::span<const std::string_view> words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += words[i];
  }
  return out;
}

std::string instead_of(std::string_view text, std::span<const std::string_view> words) {
  std::string meant = did_you_mean(text, words);
  return meant.empty() ? fmt::format("write {}", either(words)) : meant;
}

}  // namespace drywall::reading
