// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/policy_files.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "directory/directory.h"

namespace drywall::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* usual_directory = "/etc/drywall/policy.d";
constexpr std::size_t most_bytes = yaml::Limits{}.bytes + 1;  // one more than allowed: yaml::load then says so

/// Empty if it cannot be read.
yaml::Documents load_configuration(const fs::path& path = configuration_file) {
  Result<std::string> text = read_file(path.string(), most_bytes);
  return text ? yaml::load({path.string(), std::move(*text)}) : yaml::Documents();
}

std::optional<std::string> value_of(const yaml::Documents& documents, std::string_view key) {
  const yaml::Node* value = documents.roots.empty() ? nullptr : documents.roots.front().find(key);
  if (value == nullptr || value->text.empty()) return std::nullopt;
  return value->text;
}

}  // namespace

Settings settings_in(const fs::path& configuration) {
  const yaml::Documents documents = load_configuration(configuration);
  return {value_of(documents, "node"), value_of(documents, "policy_dir").value_or(usual_directory)};
}

std::optional<std::string> configured(std::string_view key) {
  return value_of(load_configuration(), key);
}

Labels configured_labels() {
  const yaml::Documents documents = load_configuration();
  const yaml::Node* value = documents.roots.empty() ? nullptr : documents.roots.front().find("labels");
  Labels labels;
  if (value == nullptr) return labels;
  for (const auto& [name, text] : value->entries) labels.insert_or_assign(name.text, text.text);
  return labels;
}

fs::path default_policy_directory() {
  return configured("policy_dir").value_or(usual_directory);
}

Result<PolicyFiles> read_policy_files(const std::vector<fs::path>& paths) {
  PolicyFiles out;
  for (const fs::path& path : paths) {
    std::error_code ignored;  // what is not there is told by read_file
    if (fs::is_directory(path, ignored)) {
      DirectoryContents contents = read_directory(path.string());
      std::ranges::copy(contents.files, std::back_inserter(out.files));
      std::ranges::move(contents.diagnostics, std::back_inserter(out.diagnostics));
    } else {
      Result<std::string> text = read_file(path.string(), most_bytes);
      if (!text) return tl::unexpected(text.error());
      out.files.push_back({path.string(), std::move(*text)});
    }
  }
  return out;
}

}  // namespace drywall::cli
