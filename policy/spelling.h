// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace drywall::reading {

/// The text in double quotes, cut after 60 code points: for messages.
[[nodiscard]] std::string in_quotes(std::string_view text);

/// The beginning of the text, at most `most` bytes of whole code points.
[[nodiscard]] std::string_view shortened(std::string_view text, std::size_t most = 40);

/// How many code points of (valid) UTF-8.
[[nodiscard]] std::size_t code_points(std::string_view text);

[[nodiscard]] bool equal_but_for_case(std::string_view a, std::string_view b);

/// Those of `words` that `text` was probably meant to be: the fewest edits away, case ignored, and not too many. Empty
/// if there is none or there are more than three.
[[nodiscard]] std::vector<std::string_view> nearest(std::string_view text, std::span<const std::string_view> words);

/// `did you mean WORD?` of the nearest words; empty if there is none.
[[nodiscard]] std::string did_you_mean(std::string_view text, std::span<const std::string_view> words);

/// "a, b or c"
[[nodiscard]] std::string either(std::span<const std::string_view> words);

/// What to write instead of `text`, which is none of `words`.
[[nodiscard]] std::string instead_of(std::string_view text, std::span<const std::string_view> words);

}  // namespace drywall::reading
