// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/page.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

namespace drywall::cli {
namespace {

constexpr std::size_t width_of_no_terminal = 100;

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

/// Bytes of the first `columns` UTF-8 code points.
std::size_t bytes_of(std::string_view text, std::size_t columns) {
  std::size_t at = 0;
  while (at < text.size() && columns > 0) {
    ++at;
    while (at < text.size() && continues_character(text[at])) ++at;
    --columns;
  }
  return at;
}

}  // namespace

std::size_t page_width() {
  if (const char* columns = std::getenv("COLUMNS"); columns != nullptr) {
    std::size_t width = 0;
    const char* end = columns + std::strlen(columns);
    if (std::from_chars(columns, end, width).ptr == end && width > 0) return width;
  }
  winsize size{};
  const bool known = isatty(STDOUT_FILENO) == 1 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : width_of_no_terminal;
}

std::vector<std::string> broken(std::string_view text, std::size_t width, std::size_t indent) {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  do {
    const std::size_t room = lines.empty() ? width : width - indent;
    std::size_t end = bytes_of(text, room);
    const std::size_t space = end < text.size() ? text.rfind(' ', end) : std::string_view::npos;
    const bool at_space = space != std::string_view::npos && text.find_first_not_of(' ') < space;
    if (at_space) end = space;
    lines.push_back(std::string(begin, ' ').append(text.substr(0, end)));
    text.remove_prefix(end + (at_space ? 1 : 0));
    begin = indent;
  } while (!text.empty());
  return lines;
}

}  // namespace drywall::cli
