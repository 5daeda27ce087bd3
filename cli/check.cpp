// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include "cli/configured_endpoint.h"
#include "cli/json.h"
#include "cli/policy_files.h"
#include "cli/sarif.h"
#include "cli/terminal.h"
#include "cli/this_host.h"
#include "cli/verb.h"
#include "policy/lint.h"
#include "policy/parse.h"
#include "policy/report.h"
#include "render/lower.h"

namespace drywall::cli {
namespace {

enum class ReportFormat { table, json, sarif };

struct CheckOptions {
  std::vector<std::filesystem::path> paths;
  bool strict = false;
  ReportFormat report = ReportFormat::table;
};

/// Quotes the line that each warning is about.
Diagnostics with_excerpts(Diagnostics warnings, const std::vector<yaml::SourceFile>& files) {
  reading::Report lines(files);
  for (Diagnostic& warning : warnings) {
    if (warning.at.line == 0 || warning.at.file.empty()) continue;
    warning.excerpt = lines.line(lines.place(warning.at));
  }
  return warnings;
}

/// What the kernel's language cannot say of these policies.
Diagnostics refusals(const Inventory& inventory, const Host& host) {
  const auto ruleset =
      lower(compile(inventory, host, World::enforced), compile(inventory, host, World::pending), RenderOptions{});
  return ruleset ? Diagnostics() : ruleset.error();
}

/// All that drywalld would say about these files before it gives them to the kernel, and what is surely not meant.
///   own  the files are this host's policy directory
Diagnostics diagnose(const PolicyFiles& read, bool own) {
  if (has_errors(read.diagnostics)) return read.diagnostics;  // about files that are not there, others cannot be judged
  Parsed parsed = parse(read.files);
  if (has_errors(parsed.diagnostics)) return std::move(parsed.diagnostics);
  if (own) add_configured_endpoint(parsed.inventory, "");
  Diagnostics all = std::move(parsed.diagnostics);
  const Host host = this_host("");
  for (const Diagnostics& more :
       std::array{with_excerpts(lint(parsed.inventory), read.files),
                  with_excerpts(lint_bridges(parsed.inventory, host), read.files), refusals(parsed.inventory, host)}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  sort_diagnostics(all);
  return all;
}

std::size_t count(const Diagnostics& diagnostics, Severity severity) {
  return static_cast<std::size_t>(std::ranges::count(diagnostics, severity, &Diagnostic::severity));
}

void print_for_people(const Diagnostics& diagnostics, std::size_t files) {
  for (const Diagnostic& diagnostic : diagnostics) fmt::print(stderr, "{}", to_string(diagnostic));
  fmt::print("{}: {}, {}\n", counted(files, "file"), counted(count(diagnostics, Severity::error), "error"),
             counted(count(diagnostics, Severity::warning), "warning"));
}

Exit check(const CheckOptions& options) {
  const auto paths = options.paths.empty() ? std::vector{default_policy_directory()} : options.paths;
  const auto read = read_policy_files(paths);
  if (!read) {
    say(to_string(read.error()));
    return Exit::usage;
  }
  const Diagnostics diagnostics = diagnose(*read, options.paths.empty());
  switch (options.report) {
    case ReportFormat::table:
      print_for_people(diagnostics, read->files.size());
      break;
    case ReportFormat::json:
      print(to_json(diagnostics));
      break;
    case ReportFormat::sarif:
      print(sarif(diagnostics));
      break;
  }
  const bool refused = has_errors(diagnostics) || (options.strict && !diagnostics.empty());
  return refused ? Exit::no : Exit::yes;
}

}  // namespace

Run declare_check(Arguments& arguments) {
  static const std::map<std::string, ReportFormat> reports{
      {"table", ReportFormat::table}, {"json", ReportFormat::json}, {"sarif", ReportFormat::sarif}};
  auto options = std::make_shared<CheckOptions>();
  arguments.add("PATH", options->paths,
                "Files or directories, read together as one policy directory; without any: this host's");
  arguments.add_flag("--strict", options->strict, "Exit 1 on warnings too");
  arguments
      .add(
          "-o,--output", [options](const std::string& word) { options->report = reports.at(word); },
          "How to print: table, json, or sarif for code review systems")
      .one_of({"table", "json", "sarif"});
  return [options] { return check(*options); };
}

}  // namespace drywall::cli
