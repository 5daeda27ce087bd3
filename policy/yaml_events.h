// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <optional>

#include "policy/diagnostic.h"
#include "policy/yaml.h"
#include "policy/yaml_text.h"

namespace drywall::yaml {

/// What may still be read of a file.
struct Budget {
  std::size_t depth = 0;         // of nesting
  std::size_t nodes = 0;         // counted down
  std::size_t copied_bytes = 0;  // of scalars that aliases repeat; counted down
};

enum class Outcome {
  complete,
  broken,     // a mistake in this document; the next one can be read
  exhausted,  // a limit is exceeded; nothing more should be read
};

/// Reads one document with yaml-cpp: all of YAML that we accept, and every diagnostic.
///   region   of `text`, which has no mistakes
///   root     is set if the document is not empty; incomplete if there are errors
[[nodiscard]] Outcome read_events(const Text& text, const Region& region, Budget& budget, std::optional<Node>& root,
                                  Diagnostics& diagnostics);

}  // namespace drywall::yaml
