// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace drywall::cli {

/// Columns of characters that stdout shows: COLUMNS if it is set, the terminal's, 100 if it is none.
[[nodiscard]] std::size_t page_width();

/// The text in lines of at most `width` columns, broken at spaces where there are any; lines after the first begin with
/// `indent` spaces.
///   width  more than `indent`
[[nodiscard]] std::vector<std::string> broken(std::string_view text, std::size_t width, std::size_t indent);

}  // namespace drywall::cli
