// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/core.h>

#include <memory>

#include "cli/bus.h"
#include "cli/terminal.h"
#include "cli/verb.h"

namespace drywall::cli {
namespace {

bool has_error(const Json& diagnostics) {
  for (const Json& diagnostic : diagnostics) {
    if (text_at(diagnostic, "severity") == "error") return true;
  }
  return false;
}

Exit reload(const Output& output) {
  Answer<Daemon> daemon = Daemon::connect();
  if (!daemon) return report(daemon.error());
  const Answer<Json> answer = daemon->reload();
  if (!answer) return report(answer.error());
  const Json& diagnostics = at(*answer, "diagnostics");
  const bool refused = has_error(diagnostics);
  if (output.format == Format::json) {
    Json document = arranged(*answer, {{"generation"}, {"changed"}, {"diagnostics"}});
    document["diagnostics"] = arranged_diagnostics(diagnostics);
    print(document);
  } else {
    for (const Json& diagnostic : diagnostics) fmt::print(stderr, "{}", to_string(diagnostic_from(diagnostic)));
    const std::uint64_t generation = number_at(*answer, "generation");
    if (refused) {
      fmt::print("not loaded: generation {} stays in force\n", generation);
    } else {
      fmt::print("generation {} is in force\n", generation);
    }
  }
  return refused ? Exit::no : Exit::yes;
}

}  // namespace

Run declare_reload(CLI::App& app) {
  auto output = std::make_shared<Output>();
  add_output_options(app, *output, Wide::no);
  return [output] { return reload(*output); };
}

}  // namespace drywall::cli
