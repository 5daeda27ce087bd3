// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "policy/yaml.h"

// Changes to the text of a YAML file that leave every byte alone which they do not mean. Each is tried, and read again:
// if the file then says anything but what it should (anchors, odd styles and comments in odd places can do that),
// there is no answer, and the file is to be edited by hand.

namespace drywall::yaml {

/// A file's text with what it says.
struct Page {
  std::string text;
  std::vector<Node> roots;  // as load() gives them
};

/// Nothing if the text has mistakes.
[[nodiscard]] std::optional<Page> read_page(std::string text);

/// Which value of a file is meant: the number of the root, then of the entry or item at each level.
struct Address {
  std::size_t root = 0;
  std::vector<std::size_t> steps;
};

/// The scalar there, a value, with another text in the style it has.
///   to  needs no quotes and no escapes
[[nodiscard]] std::optional<Page> with_scalar(const Page& page, const Address& at, const std::string& to);

/// Without the entry or item there. What stands on its lines beside it goes with it; comments above it stay. An item is
/// not the only one of its list.
[[nodiscard]] std::optional<Page> without_value(const Page& page, const Address& at);

/// Without a document, from its `---` to the next one. Comments at the head of the file stay.
[[nodiscard]] std::optional<Page> without_document(const Page& page, std::size_t root);

}  // namespace drywall::yaml
