// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/core.h>

#include <memory>

#include "cli/json.h"
#include "cli/policy_files.h"
#include "cli/terminal.h"
#include "cli/this_host.h"
#include "cli/verb.h"
#include "policy/parse.h"
#include "render/lower.h"

namespace drywall::cli {
namespace {

struct Options {
  std::vector<std::filesystem::path> paths;
  bool strict = false;
  Output output;
};

/// All that drywalld would say about these files before it gives them to the kernel.
Diagnostics diagnose(const PolicyFiles& read) {
  if (has_errors(read.diagnostics)) return read.diagnostics;  // about files that are not there, others cannot be judged
  Parsed parsed = parse(read.files);
  if (has_errors(parsed.diagnostics)) return std::move(parsed.diagnostics);
  const Host host = this_host("");
  const auto ruleset = lower(compile(parsed.inventory, host, World::enforced),
                             compile(parsed.inventory, host, World::pending), RenderOptions{});
  if (!ruleset) {
    parsed.diagnostics.insert(parsed.diagnostics.end(), ruleset.error().begin(), ruleset.error().end());
    sort_diagnostics(parsed.diagnostics);
  }
  return std::move(parsed.diagnostics);
}

Exit check(const Options& options) {
  const auto paths = options.paths.empty() ? std::vector{default_policy_directory()} : options.paths;
  const auto read = read_policy_files(paths);
  if (!read) {
    say(to_string(read.error()));
    return Exit::usage;
  }
  const Diagnostics diagnostics = diagnose(*read);
  std::size_t errors = 0;
  for (const Diagnostic& diagnostic : diagnostics) errors += diagnostic.severity == Severity::error ? 1 : 0;
  const std::size_t warnings = diagnostics.size() - errors;
  if (options.output.format == Format::json) {
    print(to_json(diagnostics));
  } else {
    for (const Diagnostic& diagnostic : diagnostics) fmt::print(stderr, "{}", to_string(diagnostic));
    fmt::print("{}: {}, {}\n", counted(read->files.size(), "file"), counted(errors, "error"),
               counted(warnings, "warning"));
  }
  const bool refused = errors > 0 || (options.strict && warnings > 0);
  return refused ? Exit::no : Exit::yes;
}

}  // namespace

Run declare_check(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("PATH", options->paths,
                 "Files or directories, read together as one policy directory; without any: this host's");
  app.add_flag("--strict", options->strict, "Count warnings as errors");
  add_output_options(app, options->output, Wide::no);
  return [options] { return check(*options); };
}

}  // namespace drywall::cli
