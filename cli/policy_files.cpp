// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/policy_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include "cli/descriptor.h"

namespace drywall::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* configuration = "/etc/drywall/drywall.yaml";
constexpr const char* usual_directory = "/etc/drywall/policy.d";
constexpr std::size_t most_bytes = yaml::Limits{}.bytes + 1;  // one more than allowed: yaml::load then says so

bool is_policy_file_name(const std::string& name) {
  if (name.starts_with('.')) return false;
  const std::string extension = fs::path(name).extension();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

Result<yaml::SourceFile> read_file(const fs::path& path) {
  const auto failure = [&](int error, std::string detail = {}) {
    return tl::unexpected(Failure{"read", path.string(), error, std::move(detail)});
  };
  const Descriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a pipe must not make us wait
  if (fd.get() < 0) return failure(errno);
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return failure(errno);
  if (!S_ISREG(status.st_mode)) return failure(0, "it is not a regular file");
  yaml::SourceFile file{path.string(), {}};
  std::array<char, 65536> block{};
  while (file.text.size() < most_bytes) {
    const ssize_t got = read(fd.get(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failure(errno);
    if (got == 0) break;
    file.text.append(block.data(), static_cast<std::size_t>(got));
  }
  return file;
}

Result<std::vector<fs::path>> files_in(const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> files;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    if (is_policy_file_name(entry->path().filename())) files.push_back(entry->path());
  }
  if (error) return tl::unexpected(Failure{"list", directory.string(), error.value(), {}});
  std::sort(files.begin(), files.end());
  return files;
}

/// Files in a directory that cannot be read are mistakes in the directory, as they are to drywalld.
void add_directory(const std::vector<fs::path>& names, PolicyFiles& out) {
  for (const fs::path& name : names) {
    Result<yaml::SourceFile> file = read_file(name);
    if (file) {
      out.files.push_back(std::move(*file));
    } else {
      const SourceLocation whole_file{name.string(), 0, 0};
      out.diagnostics.push_back({whole_file, 1, Severity::error, "unreadable-file", to_string(file.error()), {}, {}});
    }
  }
}

}  // namespace

fs::path default_policy_directory() {
  const Result<yaml::SourceFile> file = read_file(configuration);
  if (!file) return usual_directory;
  const yaml::Documents documents = yaml::load(*file);
  if (documents.roots.empty()) return usual_directory;
  const yaml::Node* directory = documents.roots.front().find("policy_dir");
  return directory == nullptr || directory->text.empty() ? usual_directory : directory->text;
}

Result<PolicyFiles> read_policy_files(const std::vector<fs::path>& paths) {
  PolicyFiles out;
  for (const fs::path& path : paths) {
    std::error_code ignored;  // what is not there is told by read_file
    if (fs::is_directory(path, ignored)) {
      const Result<std::vector<fs::path>> names = files_in(path);
      if (!names) return tl::unexpected(names.error());
      add_directory(*names, out);
    } else {
      Result<yaml::SourceFile> file = read_file(path);
      if (!file) return tl::unexpected(file.error());
      out.files.push_back(std::move(*file));
    }
  }
  return out;
}

}  // namespace drywall::cli
