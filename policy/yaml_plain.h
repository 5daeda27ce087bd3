// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <optional>

#include "policy/yaml.h"
#include "policy/yaml_text.h"

namespace drywall::yaml {

/// Reads one document of the plain sort that nearly all policies are: mappings and lists of one-line scalars, in blocks
/// or in brackets and braces (JSON). About ten times as fast as yaml-cpp, which tries regular expressions at every
/// byte.
///   region   of `text`, which has no mistakes
///   nodes    how many may be read; counted down if there is an answer
///   returns  exactly what read_events() would give, without diagnostics; or nothing if there is anything out of the
///            ordinary, mistakes included: then read_events() must be asked
[[nodiscard]] std::optional<Node> read_plain(const Text& text, const Region& region, std::size_t depth,
                                             std::size_t& nodes);

}  // namespace drywall::yaml
