// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "policy/spelling.h"

namespace drywall::reading {
namespace {

constexpr std::size_t longest_excerpt = 4096;  // bytes of a line that a diagnostic keeps

std::vector<std::size_t> starts_of_lines(std::string_view text) {
  std::vector<std::size_t> starts{0};
  for (std::size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) {
    starts.push_back(at + 1);
  }
  return starts;
}

}  // namespace

void Report::error(const Place& at, std::string_view code, std::string message, std::string help) {
  add(at, Severity::error, code, std::move(message), std::move(help));
}

void Report::warning(const Place& at, std::string_view code, std::string message, std::string help) {
  add(at, Severity::warning, code, std::move(message), std::move(help));
}

void Report::add(std::uint32_t file, Diagnostics diagnostics) {
  for (Diagnostic& diagnostic : diagnostics) {
    if (!room_for_one(file, diagnostic.severity)) continue;
    diagnostics_.push_back(std::move(diagnostic));
  }
}

Place Report::place(const SourceLocation& at) const {
  const auto found =
      std::find_if(files_.begin(), files_.end(), [&](const File& file) { return file.source->name == at.file; });
  return {static_cast<std::uint32_t>(found - files_.begin()), at.line, at.column, 1};
}

SourceLocation Report::location(const Place& at) const {
  return {files_[at.file].source->name, at.line, at.column};
}

std::string_view Report::line(const Place& at) {
  File& file = files_[at.file];
  const std::string_view text = file.source->text;
  if (file.line_starts.empty()) file.line_starts = starts_of_lines(text);
  if (at.line == 0 || at.line > file.line_starts.size()) return {};
  const std::size_t start = file.line_starts[at.line - 1];
  const std::size_t end = at.line < file.line_starts.size() ? file.line_starts[at.line] - 1 : text.size();
  std::string_view line = text.substr(start, end - start);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

Diagnostics Report::take() {
  sort_diagnostics(diagnostics_);
  return std::exchange(diagnostics_, {});
}

Report::Found Report::take_found() {
  const File& file = files_.front();
  return {take(), file.errors, file.warnings};
}

void Report::adopt(std::uint32_t file, const Found& found) {
  files_[file].errors += found.errors;
  files_[file].warnings += found.warnings;
  diagnostics_.insert(diagnostics_.end(), found.diagnostics.begin(), found.diagnostics.end());
}

void Report::add(const Place& at, Severity severity, std::string_view code, std::string message, std::string help) {
  if (!room_for_one(at.file, severity)) return;
  Diagnostic diagnostic;
  diagnostic.at = location(at);
  diagnostic.length = at.length;
  diagnostic.severity = severity;
  diagnostic.code = code;
  diagnostic.message = std::move(message);
  diagnostic.help = std::move(help);
  if (at.column <= longest_excerpt) diagnostic.excerpt = shortened(line(at), longest_excerpt);
  diagnostics_.push_back(std::move(diagnostic));
}

bool Report::room_for_one(std::uint32_t index, Severity severity) {
  File& file = files_[index];
  std::size_t& count = severity == Severity::error ? file.errors : file.warnings;
  ++count;
  if (count == most_diagnostics + 1) {
    const std::string_view what = severity == Severity::error ? "mistakes" : "warnings";
    Diagnostic last;
    last.at.file = file.source->name;
    last.severity = severity;
    last.code = "too-many-mistakes";
    last.message = fmt::format("more than {} {}: the others are not listed", most_diagnostics, what);
    last.help = "mend these first";
    diagnostics_.push_back(std::move(last));
  }
  return count <= most_diagnostics;
}

}  // namespace drywall::reading
