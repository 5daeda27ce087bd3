// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/terminal.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace drywall::cli {
namespace {

bool colour_wanted() {
  const char* no_color = std::getenv("NO_COLOR");  // https://no-color.org: set and not empty
  const bool refused = no_color != nullptr && *no_color != '\0';
  return !refused && isatty(STDOUT_FILENO) == 1;
}

const char* escape(Colour colour) {
  switch (colour) {
    case Colour::none:
      return "";
    case Colour::good:
      return "\x1b[32m";
    case Colour::bad:
      return "\x1b[31m";
    case Colour::warning:
      return "\x1b[33m";
    case Colour::faint:
      return "\x1b[2m";
  }
  return "";
}

/// Columns that the text takes: its UTF-8 code points.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace

std::string coloured(Colour colour, std::string_view text) {
  if (colour == Colour::none || !colour_wanted()) return std::string(text);
  return fmt::format("{}{}\x1b[0m", escape(colour), text);
}

std::string harmless(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  return out;
}

Table::Table(std::vector<std::string> headings) : headings_(std::move(headings)) {
  for (const std::string& heading : headings_) widths_.push_back(width(heading));
}

void Table::widen(const std::vector<Cell>& cells) {
  for (std::size_t i = 0; i < std::min(cells.size(), widths_.size()); ++i) {
    widths_[i] = std::max(widths_[i], width(cells[i].text));
  }
}

std::string Table::line(const std::vector<Cell>& cells) const {
  std::string out;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string text = harmless(cells[i].text);
    out += coloured(cells[i].colour, text);
    if (i + 1 < cells.size()) out += std::string(widths_[i] - std::min(widths_[i], width(text)) + 2, ' ');
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out + '\n';
}

std::string Table::heading() const {
  std::vector<Cell> cells;
  for (const std::string& heading : headings_) cells.push_back({heading, Colour::faint});
  return line(cells);
}

std::string table(std::vector<std::string> headings, const std::vector<std::vector<Cell>>& rows) {
  Table lines(std::move(headings));
  for (const auto& row : rows) lines.widen(row);
  std::string out = lines.heading();
  for (const auto& row : rows) out += lines.line(row);
  return out;
}

std::string counted(std::size_t number, std::string_view noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

void say(std::string_view text) {
  fmt::print(stderr, "drywall: {}\n", text);
}

}  // namespace drywall::cli
