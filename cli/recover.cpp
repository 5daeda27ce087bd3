// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/core.h>

#include <memory>

#include "cli/edit.h"
#include "cli/terminal.h"
#include "cli/verb.h"

namespace drywall::cli {
namespace {

std::string_view word_for(Recovery::Outcome outcome) {
  switch (outcome) {
    case Recovery::Outcome::nothing:
      return "nothing";
    case Recovery::Outcome::undone:
      return "undone";
    case Recovery::Outcome::kept:
      return "kept";
    case Recovery::Outcome::armed:
      return "armed";
    case Recovery::Outcome::rolled_back:
      return "rolled-back";
  }
  return {};
}

/// With the state directory given nobody is asked for it: drywalld's own start begins with this. Before its first start
/// there is none, and that is no failure.
Exit recover(const EditOptions& options) {
  Answer<EditPlace> place = find_place(options, options.state_dir.empty() ? NeedsDaemon::no : NeedsDaemon::never);
  if (!place) return report(place.error());
  if (access(place->state_dir.c_str(), F_OK) != 0) {
    say(fmt::format("there is no {}: no edit was ever made", place->state_dir));
    return Exit::yes;
  }
  const Result<Descriptor> lock = lock_edits(place->state_dir, Patience::none);
  const Result<Recovery> recovery = lock ? recover_edit(place->state_dir) : tl::unexpected(lock.error());
  if (!recovery) {
    const bool may_not = recovery.error().error == EACCES || recovery.error().error == EPERM;
    return report({may_not ? Exit::unauthorised : Exit::no, to_string(recovery.error())});
  }
  say_recovery(*recovery);
  const bool is_moved =
      recovery->outcome != Recovery::Outcome::nothing && recovery->outcome != Recovery::Outcome::armed;
  if (is_moved && place->daemon) std::ignore = make_kernel_follow(*place, recovery->record);
  if (options.output.format == Format::json) {
    print(Json{{"outcome", word_for(recovery->outcome)}, {"verb", recovery->record.verb}, {"by", recovery->record.by}});
  } else if (recovery->outcome == Recovery::Outcome::nothing) {
    fmt::print("every edit of the policy directory has ended\n");
  }
  return Exit::yes;
}

}  // namespace

Run declare_recover(Arguments& arguments) {
  auto options = std::make_shared<EditOptions>();
  add_output_options(arguments, options->output, Wide::no);
  arguments.add("--policy-dir", options->policy_dir, "Policy directory; without it: drywalld's").takes("DIR");
  arguments.add("--state-dir", options->state_dir, "What drywalld keeps; without it: as it says").takes("DIR");
  return [options] { return recover(*options); };
}

}  // namespace drywall::cli
