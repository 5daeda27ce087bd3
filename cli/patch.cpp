// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/patch.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace drywall::cli {
namespace {

constexpr std::size_t context = 3;              // lines
constexpr std::size_t most_compared = 4000000;  // pairs of lines; more are shown as one change

using Lines = std::vector<std::string_view>;  // each with its line ending

Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

/// One line of the difference: ' ' in both, '-' only before, '+' only after.
struct Step {
  char sign;
  std::string_view line;
};

/// The shortest way from one middle part to the other.
std::vector<Step> steps_between(const Lines& before, const Lines& after) {
  std::vector<Step> steps;
  const std::size_t width = after.size() + 1;
  if ((before.size() + 1) * width > most_compared) {
    for (const std::string_view line : before) steps.push_back({'-', line});
    for (const std::string_view line : after) steps.push_back({'+', line});
    return steps;
  }
  std::vector<std::uint32_t> common((before.size() + 1) * width);  // lines in common from here on
  for (std::size_t i = before.size(); i-- > 0;) {
    for (std::size_t j = after.size(); j-- > 0;) {
      common[i * width + j] = before[i] == after[j] ? common[(i + 1) * width + j + 1] + 1
                                                    : std::max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < before.size() || j < after.size()) {
    if (i < before.size() && j < after.size() && before[i] == after[j]) {
      steps.push_back({' ', before[i]});
      ++i;
      ++j;
    } else if (i < before.size() && (j == after.size() || common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      steps.push_back({'-', before[i++]});
    } else {
      steps.push_back({'+', after[j++]});
    }
  }
  return steps;
}

std::vector<Step> difference(const Lines& before, const Lines& after) {
  const auto [first, other_first] = std::ranges::mismatch(before, after);
  const auto head = static_cast<std::size_t>(first - before.begin());
  std::size_t tail = 0;
  while (tail < std::min(before.size(), after.size()) - head &&
         before[before.size() - 1 - tail] == after[after.size() - 1 - tail]) {
    ++tail;
  }
  const auto middle = [&](const Lines& lines) {
    return Lines(lines.begin() + static_cast<std::ptrdiff_t>(head), lines.end() - static_cast<std::ptrdiff_t>(tail));
  };
  std::vector<Step> steps;
  for (std::size_t i = 0; i < head; ++i) steps.push_back({' ', before[i]});
  std::ranges::copy(steps_between(middle(before), middle(after)), std::back_inserter(steps));
  for (std::size_t i = before.size() - tail; i < before.size(); ++i) steps.push_back({' ', before[i]});
  return steps;
}

/// `begin,count` of a hunk's side.
std::string range(std::size_t first, std::size_t count) {
  return fmt::format("{},{}", count == 0 ? first : first + 1, count);
}

std::string hunks(const std::vector<Step>& steps) {
  std::string out;
  std::size_t before = 0;  // lines passed
  std::size_t after = 0;
  for (std::size_t i = 0; i < steps.size();) {
    if (steps[i].sign == ' ') {
      ++i, ++before, ++after;
      continue;
    }
    const std::size_t begin = i - std::min({i, context, before, after});
    std::size_t end = i;  // of the last change that belongs to this hunk
    for (std::size_t j = i; j < steps.size() && j <= end + 2 * context; ++j) {
      if (steps[j].sign != ' ') end = j;
    }
    end = std::min(end + 1 + context, steps.size());
    const std::size_t lead = i - begin;
    std::string lines;
    std::size_t old_count = 0;
    std::size_t new_count = 0;
    for (std::size_t j = begin; j < end; ++j) {
      lines += steps[j].sign;
      lines += steps[j].line;
      if (!steps[j].line.ends_with('\n')) lines += "\n\\ No newline at end of file\n";
      old_count += steps[j].sign != '+' ? 1 : 0;
      new_count += steps[j].sign != '-' ? 1 : 0;
    }
    out += fmt::format("@@ -{} +{} @@\n{}", range(before - lead, old_count), range(after - lead, new_count), lines);
    before += old_count - lead;
    after += new_count - lead;
    i = end;
  }
  return out;
}

}  // namespace

std::string patch_text(std::span<const FileEdit> edits) {
  std::string out;
  for (const FileEdit& edit : edits) {
    out += fmt::format("--- {}\n+++ {}\n", edit.before ? edit.file : "/dev/null", edit.after ? edit.file : "/dev/null");
    out += hunks(difference(lines_of(edit.before.value_or("")), lines_of(edit.after.value_or(""))));
  }
  return out;
}

}  // namespace drywall::cli
