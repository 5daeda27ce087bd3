// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace drywall::cli {

enum class Colour { none, good, bad, warning, faint };

/// The text in that colour if stdout is a terminal and NO_COLOR is not set, otherwise as it is.
[[nodiscard]] std::string coloured(Colour colour, std::string_view text);

/// With characters replaced that would move the cursor or colour the terminal: for names that others chose.
[[nodiscard]] std::string harmless(std::string_view text);

struct Cell {
  std::string text;
  Colour colour = Colour::none;
};

/// Lines of aligned cells. Widths only grow: rows may be printed as they come.
class Table {
 public:
  explicit Table(std::vector<std::string> headings);
  void widen(const std::vector<Cell>& cells);
  /// One line, ending in a newline; the last cell is not padded.
  [[nodiscard]] std::string line(const std::vector<Cell>& cells) const;
  [[nodiscard]] std::string heading() const;

 private:
  std::vector<std::string> headings_;
  std::vector<std::size_t> widths_;
};

/// A whole table at once.
[[nodiscard]] std::string table(std::vector<std::string> headings, const std::vector<std::vector<Cell>>& rows);

/// `1 flow`, `2 flows`.
[[nodiscard]] std::string counted(std::size_t number, std::string_view noun);

/// A message to the user, on stderr: `drywall: TEXT`.
void say(std::string_view text);

}  // namespace drywall::cli
