// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/core.h>

#include <memory>

#include "cli/caller.h"
#include "cli/edit.h"
#include "cli/terminal.h"
#include "cli/verb.h"

namespace drywall::cli {
namespace {

struct ConfirmOptions {
  EditOptions edit;
  std::string extend;
  bool accept_old_session = false;
};

/// A connection that is older than the change is let through whatever the policy says now: it proves nothing.
std::optional<std::string> reason_against(const Caller& caller, const Confirmation& confirmation) {
  if (!caller.began) {
    return fmt::format("{}: nothing shows that one can still log in", caller.text);
  }
  if (!confirmation.in_force) return "it cannot be told since when the change is in force";
  if (*caller.began > *confirmation.in_force) return std::nullopt;
  return fmt::format("{} is older than the change, so it proves nothing", caller.text);
}

Exit say_nothing_waits(const EditPlace& place) {
  const Result<std::optional<EditRecord>> last = read_edit_record(place.state_dir);
  const bool was_rolled_back = last && *last && (*last)->outcome == "rolled back";
  if (was_rolled_back) {
    say(fmt::format("too late: {} by {} was rolled back", (*last)->verb, (*last)->by));
    return Exit::no;
  }
  say("nothing waits to be confirmed");
  return Exit::yes;
}

Exit extend(const EditPlace& place, EditRecord& record, const ConfirmOptions& options) {
  const auto time = parse_duration(options.extend);
  if (!time) {
    say(fmt::format("--extend {}: expected a time from 1s to 24h, such as 90s, 5m or 1h", options.extend));
    return Exit::usage;
  }
  record.confirmation->deadline = boot_time().at + *time;
  record.confirmation->deadline_utc =
      std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()) + *time;
  const Result<void> written = options.edit.dry_run ? Result<void>{} : write_edit_record(place.state_dir, record);
  if (!written) {
    say(to_string(written.error()));
    return Exit::no;
  }
  const std::string deadline = utc_text(record.confirmation->deadline_utc);
  if (options.edit.output.format == Format::json) {
    print(Json{{"confirm", {{"deadline", deadline}}}});
  } else {
    fmt::print("it is rolled back at {} unless somebody confirms\n", deadline);
  }
  return Exit::yes;
}

Exit confirm(const ConfirmOptions& options) {
  Answer<EditPlace> place = find_place(options.edit, NeedsDaemon::no);
  if (!place) return report(place.error());
  std::optional<EditRecord> armed;
  const Answer<Descriptor> lock = begin_editing(*place, armed);
  if (!lock) return report(lock.error());
  if (!armed) return say_nothing_waits(*place);
  if (!options.extend.empty()) return extend(*place, *armed, options);
  if (!options.accept_old_session) {
    const Caller caller = find_caller(place->daemon ? &*place->daemon : nullptr, options.edit.caller_pid);
    if (const auto reason = reason_against(caller, *armed->confirmation)) {
      say(fmt::format("not confirmed: {}", *reason));
      say("log in anew and confirm from there; --accept-old-session confirms all the same");
      return Exit::no;
    }
  }
  const Result<void> closed = options.edit.dry_run ? Result<void>{} : close_edit(place->state_dir, *armed, "kept");
  if (!closed) {
    say(to_string(closed.error()));
    return Exit::no;
  }
  const std::uint64_t generation = number_at(place->status, "generation");
  if (options.edit.output.format == Format::json) {
    print(Json{{"generation", generation}, {"confirm", nullptr}});
  } else {
    fmt::print("{} by {} {}\n", armed->verb, harmless(armed->by),
               options.edit.dry_run ? "would be confirmed" : "is confirmed");
  }
  return Exit::yes;
}

}  // namespace

Run declare_confirm(Arguments& arguments) {
  auto options = std::make_shared<ConfirmOptions>();
  add_output_options(arguments, options->edit.output, Wide::no);
  add_behalf_options(arguments, options->edit);
  arguments.add_flag("--dry-run", options->edit.dry_run, "Only show what would be done");
  arguments.add("--extend", options->extend, "Wait so long from now on (90s, 5m, 1h) instead of confirming")
      .takes("TIME");
  arguments.add_flag("--accept-old-session", options->accept_old_session,
                     "Also from a session that began before the change, or from none");
  arguments.add("--state-dir", options->edit.state_dir, "What drywalld keeps; without it: as it says").takes("DIR");
  arguments.add("--policy-dir", options->edit.policy_dir, "Policy directory; without it: drywalld's").takes("DIR");
  return [options] { return confirm(*options); };
}

}  // namespace drywall::cli
