// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/core.h>

#include <memory>

#include "cli/edit.h"
#include "cli/in_force.h"
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

/// The files lie there already; what is new is that they are in force, until confirmed.
Exit reload_as_edit(const EditOptions& options) {
  Answer<EditPlace> place = find_place(options, NeedsDaemon::yes);
  if (!place) return report(place.error());
  const Answer<Descriptor> lock = begin_editing(*place);
  if (!lock) return report(lock.error());
  const std::optional<std::vector<yaml::SourceFile>> files = read_good_files(*place);
  if (!files) return Exit::no;
  const auto differences = differences_from_force(*place, *files);
  if (!differences) {
    say("what is in force is not on the disk: there would be nothing to roll back to");
    return Exit::no;
  }
  if (differences->empty()) {
    say("the policy directory is in force already");
    return Exit::yes;
  }
  return put_in_force(*place, "reload", *differences, options);
}

}  // namespace

Run declare_reload(Arguments& arguments) {
  auto options = std::make_shared<EditOptions>();
  add_edit_options(arguments, *options, Confirmable::yes);
  return [options] {
    const bool is_edit = !options->confirm.empty() || options->dry_run || options->print_patch;
    return is_edit ? reload_as_edit(*options) : reload(options->output);
  };
}

}  // namespace drywall::cli
