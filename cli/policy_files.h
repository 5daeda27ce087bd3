// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/parse.h"
#include "policy/result.h"
#include "policy/selector.h"
#include "policy/yaml.h"

namespace drywall::cli {

inline constexpr const char* configuration_file = "/etc/drywall/drywall.yaml";

/// What a drywall.yaml sets of where things are.
struct Settings {
  std::optional<std::string> node;  // nothing: the host's name
  std::string policy_dir;
};
/// The defaults in place of what cannot be read.
[[nodiscard]] Settings settings_in(const std::filesystem::path& configuration);

/// What /etc/drywall/drywall.yaml sets that key to; nothing if it cannot be read or does not.
[[nodiscard]] std::optional<std::string> configured(std::string_view key);
/// Its `labels`; none if it cannot be read or has none.
[[nodiscard]] Labels configured_labels();
/// The policy directory of this host: `policy_dir` of /etc/drywall/drywall.yaml, else /etc/drywall/policy.d.
[[nodiscard]] std::filesystem::path default_policy_directory();

struct PolicyFiles {
  std::vector<yaml::SourceFile> files;
  Diagnostics diagnostics;  // errors: files of a directory that could not be read; `files` is then incomplete
};

/// What drywalld would read at these paths. A directory: its *.yaml, *.yml and *.json files, sorted by name, hidden
/// files left out, symbolic links followed. A file: itself, whatever its name.
///   errors  one of `paths` itself cannot be read
[[nodiscard]] Result<PolicyFiles> read_policy_files(const std::vector<std::filesystem::path>& paths);

}  // namespace drywall::cli
