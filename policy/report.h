// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policy/diagnostic.h"
#include "policy/yaml.h"

namespace drywall::reading {

inline constexpr std::size_t most_diagnostics = 1000;  // of one file and severity

/// A place in one of the files being read. Small, because one is kept for each name that is checked at the end.
struct Place {
  std::uint32_t file = 0;  // index into the files
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::uint32_t length = 1;
};

/// The files being read and the mistakes found in them: bounded, however bad a file is.
class Report {
 public:
  ///   files  a range of yaml::SourceFile; must outlive the report
  template <class Files>
  explicit Report(const Files& files) {
    files_.reserve(files.size());
    for (const yaml::SourceFile& file : files) files_.push_back({&file, {}});
  }

  void error(const Place& at, std::string_view code, std::string message, std::string help = {});
  void warning(const Place& at, std::string_view code, std::string message, std::string help = {});
  /// What was found in one file besides, by the YAML loader or by another report.
  void add(std::uint32_t file, Diagnostics diagnostics);

  [[nodiscard]] SourceLocation location(const Place& at) const;
  /// The place that location() gave.
  [[nodiscard]] Place place(const SourceLocation& at) const;
  /// The text of the line at `at`, without its line ending.
  [[nodiscard]] std::string_view line(const Place& at);
  [[nodiscard]] Diagnostics take();  // sorted

  /// All that was found in a single file, and how often, listed or not.
  struct Found {
    Diagnostics diagnostics;
    std::size_t errors = 0;
    std::size_t warnings = 0;
  };
  /// Of a report on one file.
  [[nodiscard]] Found take_found();
  /// Takes in what such a report has found in a file of this one.
  void adopt(std::uint32_t file, const Found& found);

 private:
  struct File {
    const yaml::SourceFile* source;
    std::vector<std::size_t> line_starts;  // empty until the first mistake
    std::size_t errors = 0;
    std::size_t warnings = 0;
  };
  void add(const Place& at, Severity severity, std::string_view code, std::string message, std::string help);
  /// Counts one more mistake of the file; false if it is one too many, which is said once.
  [[nodiscard]] bool room_for_one(std::uint32_t file, Severity severity);

  std::vector<File> files_;
  Diagnostics diagnostics_;
};

}  // namespace drywall::reading
