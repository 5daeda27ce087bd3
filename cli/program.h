// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace drywall::cli {

/// What a program printed, and what it ended with.
struct Ran {
  int status = 0;
  std::string out;
  std::string err;
};

/// Runs a program to its end and keeps what it prints; nothing: it could not be started, or was killed.
///   words  the program, looked for in PATH, and its arguments
///   input  what it reads; as much as fits into a pipe
[[nodiscard]] std::optional<Ran> run_program(std::vector<std::string> words, const std::string& input = {});

}  // namespace drywall::cli
