// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "policy/diagnostic.h"
#include "policy/yaml.h"
#include "policy/yaml_text.h"

namespace drywall::yaml {

/// A collection whose end has not been read.
struct OpenCollection {
  Type type = Type::mapping;
  bool flow = false;       // in brackets or braces
  std::size_t offset = 0;  // of its first character
};

/// How far yaml-cpp came.
struct Progress {
  std::size_t offset = 0;  // of the last value that it understood
  std::optional<OpenCollection> innermost;
};

/// What yaml-cpp's complaint means to the person who wrote the file.
///   message   yaml-cpp's own, without a place
///   offset    in the file, where yaml-cpp noticed
[[nodiscard]] Diagnostic explain(const Text& text, const Region& region, const Progress& progress,
                                 std::string_view message, std::size_t offset);

[[nodiscard]] Mistake tab_mistake();

}  // namespace drywall::yaml
