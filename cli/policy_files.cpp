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

constexpr const char* configuration = "/etc/drywall/drywall.yaml";
constexpr const char* usual_directory = "/etc/drywall/policy.d";
constexpr std::size_t most_bytes = yaml::Limits{}.bytes + 1;  // one more than allowed: yaml::load then says so

}  // namespace

fs::path default_policy_directory() {
  Result<std::string> text = read_file(configuration, most_bytes);
  if (!text) return usual_directory;
  const yaml::Documents documents = yaml::load({configuration, std::move(*text)});
  if (documents.roots.empty()) return usual_directory;
  const yaml::Node* directory = documents.roots.front().find("policy_dir");
  return directory == nullptr || directory->text.empty() ? usual_directory : directory->text;
}

Result<PolicyFiles> read_policy_files(const std::vector<fs::path>& paths) {
  PolicyFiles out;
  for (const fs::path& path : paths) {
    std::error_code ignored;  // what is not there is told by read_file
    if (fs::is_directory(path, ignored)) {
      DirectoryContents contents = read_directory(path.string());
      std::ranges::move(contents.files, std::back_inserter(out.files));
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
