// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "policy/diagnostic.h"
#include "policy/model.h"
#include "policy/yaml.h"

namespace drywall {

/// What becomes of one policy file; no text: there is no such file.
struct FileEdit {
  std::string file;  // as the SourceFile is called
  std::optional<std::string> before;
  std::optional<std::string> after;
  bool operator==(const FileEdit&) const = default;
};

struct Edited {
  std::vector<FileEdit> edits;  // by file; none if there is a refusal
  Diagnostics refusals;         // all of them
  bool operator==(const Edited&) const = default;
};

/// Makes staged policies enforced, in the text of their files. Set: the kind (and for a Kubernetes policy the API) is
/// written anew, stagedAction is dropped, an enforced policy of the same identity is removed wherever it lies. Delete:
/// both are removed. All other bytes stay as they are; a file that no document is left in is removed.
///   files     without errors
///   policies  staged ones, each once
///   refuses   Learn and Ignore; what is not there or not staged; a text that cannot be edited without more changing
[[nodiscard]] Edited promote(std::span<const yaml::SourceFile> files, std::span<const PolicyId> policies);

/// The way back: the enforced kind becomes the staged one, whose action is Set as long as nothing else is written.
///   refuses  kinds that cannot be staged; what is staged already beside it; texts as above
[[nodiscard]] Edited demote(std::span<const yaml::SourceFile> files, std::span<const PolicyId> policies);

}  // namespace drywall
