// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/core.h>

#include <memory>

#include "cli/edit.h"
#include "cli/in_force.h"
#include "cli/terminal.h"
#include "cli/verb.h"
#include "cli/watchdog.h"

namespace drywall::cli {
namespace {

struct RollbackOptions {
  EditOptions edit;
  std::string when_due;
  bool force = false;
};

std::vector<std::string> names_of(const std::vector<FileEdit>& edits) {
  std::vector<std::string> names;
  for (const FileEdit& edit : edits) names.push_back(edit.file);
  return names;
}

Exit refuse_changed(const std::vector<std::string>& names) {
  say(fmt::format("changed since, and not in force: {}; --force takes that back too", listed(names)));
  return Exit::no;
}

/// An edit that waits to be confirmed.
Exit take_back_armed(EditPlace& place, EditRecord record, const RollbackOptions& options) {
  std::vector<FileEdit> edits;
  for (const EditedFile& file : record.files)
    edits.push_back({place.called + '/' + file.name, file.after, file.before});
  const std::vector<std::string> changed = changed_since(record);
  if (!changed.empty() && !options.force) return refuse_changed(changed);
  if (options.edit.dry_run || options.edit.print_patch) return carry_out(place, "rollback", edits, options.edit);
  const Result<std::vector<std::string>> saved = take_back(place, record, "rolled back");
  if (!saved) {
    say(fmt::format("{}; drywall recover goes on with it, and until then the directory counts as it was before",
                    to_string(saved.error())));
    return Exit::no;
  }
  say_recovery({Recovery::Outcome::rolled_back, record, *saved});
  tell_everybody(
      fmt::format("drywall: {} by {} is rolled back: the policy is what it was before.\n", record.verb, record.by));
  const Answer<Json> status = place.daemon ? place.daemon->status() : tl::unexpected(Refusal{Exit::unreachable, {}});
  const std::uint64_t generation = status ? number_at(*status, "generation") : 0;
  if (options.edit.output.format == Format::json) {
    print(Json{{"generation", generation}, {"changed", changed_document(edits)}, {"diagnostics", Json::array()}});
  } else if (status) {
    fmt::print("generation {} is in force\n", generation);
  }
  return Exit::yes;
}

/// To the generation before, however the one in force came about.
Exit go_back(EditPlace& place, const RollbackOptions& options) {
  const DirectoryContents contents = read_directory(place.called);
  if (has_errors(contents.diagnostics)) {
    for (const Diagnostic& diagnostic : contents.diagnostics) fmt::print(stderr, "{}", to_string(diagnostic));
    return Exit::no;
  }
  const std::vector<yaml::SourceFile> files(contents.files.begin(), contents.files.end());
  const auto differences = differences_from_force(place, files);
  if (!differences && !options.force) {
    say("what is in force is not on the disk: it cannot be told what was changed since; --force goes back all the "
        "same");
    return Exit::no;
  }
  if (differences && !differences->empty() && !options.force) return refuse_changed(names_of(*differences));
  const auto edits = edits_to_previous(place, files);
  if (!edits) {
    say("there is no generation before the one in force");
    return Exit::no;
  }
  if (edits->empty()) {
    say("the files are those of the generation before already");
    return Exit::yes;
  }
  return carry_out(place, "rollback", *edits, options.edit);
}

Exit roll_back(const RollbackOptions& options) {
  Answer<EditPlace> place = find_place(options.edit, NeedsDaemon::no);
  if (!place) return report(place.error());
  std::optional<EditRecord> armed;
  const Answer<Descriptor> lock = begin_editing(*place, armed);
  if (!lock) return report(lock.error());
  return armed ? take_back_armed(*place, std::move(*armed), options) : go_back(*place, options);
}

}  // namespace

Run declare_rollback(Arguments& arguments) {
  auto options = std::make_shared<RollbackOptions>();
  add_edit_options(arguments, options->edit, Confirmable::yes);
  arguments.add_flag("--force", options->force, "Also if files were changed since");
  arguments.add("--when-due", options->when_due, "Wait until this edit is confirmed or its time is over").hidden();
  return [options] {
    return options->when_due.empty() ? roll_back(*options) : watch_edit(options->when_due, options->edit);
  };
}

}  // namespace drywall::cli
