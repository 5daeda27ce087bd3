// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace drywall {

/// Where something stands in a policy file. Line and column count from 1; 0 means "the file as a whole".
struct SourceLocation {
  std::string file;  // as the user named it
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  auto operator<=>(const SourceLocation&) const = default;
};

enum class Severity { error, warning };

/// A mistake in a policy file, told to the person who wrote it. Printed as:
///   policies/web.yaml:14:15: error: port "80-" is not a port or a range [bad-port]
///      14 |       - port: 80-
///         |               ^~~
///   help: write one port (80) or a range (80:443)
struct Diagnostic {
  SourceLocation at;
  std::uint32_t length = 1;  // columns to underline, at least 1
  Severity severity = Severity::error;
  std::string code;     // stable, kebab-case: "unknown-tier"
  std::string message;  // what is wrong, quoting the text
  std::string help;     // what to write instead; empty if there is no one good answer
  std::string excerpt;  // the text of the line at `at`, without newline; empty if there is none
  bool operator==(const Diagnostic&) const = default;
};

using Diagnostics = std::vector<Diagnostic>;

[[nodiscard]] bool has_errors(const Diagnostics& diagnostics);

/// The printed form shown above, ending in a newline. Control characters of the excerpt are replaced, long lines cut
/// around the caret, columns counted in Unicode code points.
[[nodiscard]] std::string to_string(const Diagnostic& diagnostic);

/// `file:line:column`, as `to_string(Diagnostic)` begins.
[[nodiscard]] std::string to_string(const SourceLocation& at);

/// Sorts by file, line, column, then severity, and drops exact repetitions.
void sort_diagnostics(Diagnostics& diagnostics);

}  // namespace drywall
