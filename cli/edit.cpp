// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/edit.h"

#include <fmt/chrono.h>
#include <fmt/core.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "cli/patch.h"
#include "cli/policy_files.h"
#include "cli/terminal.h"
#include "cli/watchdog.h"
#include "directory/sha256.h"
#include "policy/parse.h"

namespace drywall::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* usual_state_dir = "/var/lib/drywall";
constexpr std::size_t most_listed = 5;

std::string user_name(uid_t uid) {
  const passwd* const user = getpwuid(uid);
  return user == nullptr ? fmt::format("uid {}", uid) : std::string(user->pw_name);
}

/// Who is behind this process; with sudo, whom root stands for.
std::string who(const EditOptions& options) {
  if (!options.on_behalf_of.empty()) return options.on_behalf_of;
  const char* const sudo = std::getenv("SUDO_USER");
  return geteuid() == 0 && sudo != nullptr ? fmt::format("{} (sudo)", sudo) : user_name(geteuid());
}

Refusal refused(const Failure& failure) {
  const bool may_not = failure.error == EACCES || failure.error == EPERM;
  return {may_not ? Exit::unauthorised : Exit::no,
          fmt::format("{}{}", to_string(failure), may_not ? ": only root edits the policy directory" : "")};
}

void print_files(const std::vector<FileEdit>& edits, std::string_view tense) {
  for (const FileEdit& edit : edits) {
    const std::string_view what = !edit.before ? "added" : !edit.after ? "removed" : "changed";
    fmt::print("{}{} {}\n", harmless(edit.file), tense, what);
  }
}

/// What was done, or would be.
void print_result(const EditPlace& place, std::uint64_t generation, const std::vector<FileEdit>& edits,
                  const Json& diagnostics, const EditOptions& options, const EditRecord* armed) {
  if (options.output.format == Format::json) {
    Json document{{"generation", generation},
                  {"changed", changed_document(edits)},
                  {"diagnostics", arranged_diagnostics(diagnostics)}};
    if (armed != nullptr) document["confirm"] = Json{{"deadline", utc_text(armed->confirmation->deadline_utc)}};
    return print(document);
  }
  for (const Json& diagnostic : diagnostics) fmt::print(stderr, "{}", to_string(diagnostic_from(diagnostic)));
  print_files(edits, options.dry_run ? " would be" : "");
  if (options.dry_run) return;
  if (place.daemon) {
    fmt::print("generation {} is in force\n", generation);
  } else {
    fmt::print("drywalld does not run: it takes this when it starts\n");
  }
  if (armed != nullptr) {
    fmt::print("it is rolled back at {} unless somebody logs in anew and runs: drywall confirm\n",
               utc_text(armed->confirmation->deadline_utc));
  }
}

bool has_error(const Json& diagnostics) {
  return std::ranges::any_of(diagnostics, [](const Json& d) { return text_at(d, "severity") == "error"; });
}

Confirmation confirmation_within(std::chrono::seconds time, Daemon* daemon) {
  const BootTime now = boot_time();
  return {now.boot,
          now.at + time,
          std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()) + time,
          {},
          daemon == nullptr ? std::vector<std::string>{} : daemon->command_line()};
}

/// The kernel holds the edit now: from here on a new connection proves something, and the time runs.
Result<void> start_clock(const std::string& state_dir, EditRecord& record, std::chrono::seconds time) {
  const Confirmation now = confirmation_within(time, nullptr);
  record.confirmation->deadline = now.deadline;
  record.confirmation->deadline_utc = now.deadline_utc;
  record.confirmation->in_force = boot_time().at;
  return write_edit_record(state_dir, record);
}

/// Asks for a reload; tells whether the edit is in force.
struct Reloaded {
  std::optional<Refusal> refusal;
  Json answer = Json::object();
  [[nodiscard]] bool ok() const { return !refusal && !has_error(at(answer, "diagnostics")); }
};

Reloaded reload(EditPlace& place) {
  if (!place.daemon) return {};
  Answer<Json> answer = place.daemon->reload();
  if (!answer) return {answer.error(), Json::object()};
  return {std::nullopt, std::move(*answer)};
}

/// Why the edit did not come into force; then everything is as it was.
Exit report_taken_back(EditPlace& place, EditRecord& record, const Reloaded& reloaded) {
  for (const Json& diagnostic : at(reloaded.answer, "diagnostics")) {
    fmt::print(stderr, "{}", to_string(diagnostic_from(diagnostic)));
  }
  const Exit exit = reloaded.refusal ? report(*reloaded.refusal) : Exit::no;
  const Result<std::vector<std::string>> undone = take_back(place, record, "undone");
  if (!undone) {
    say(fmt::format("{}; drywall recover goes on with it, and until then the directory counts as it was before",
                    to_string(undone.error())));
  } else {
    say("nothing was changed");
  }
  return exit;
}

/// From the record to the end; `write` writes the files.
template <class Write>
Exit run_edit(EditPlace& place, EditRecord record, const std::vector<FileEdit>& edits, const EditOptions& options,
              const Write& write) {
  const std::optional<std::chrono::seconds> time = parse_duration(options.confirm);
  if (!options.confirm.empty()) {
    record.confirmation = confirmation_within(*time, place.daemon ? &*place.daemon : nullptr);
    if (Result<void> begun = write_edit_record(place.state_dir, record); !begun) return report(refused(begun.error()));
    if (Result<void> watched = start_watchdog(place, record); !watched) {
      std::ignore = close_edit(place.state_dir, record, "undone");
      say(fmt::format("{}: nothing was changed", to_string(watched.error())));
      return Exit::no;
    }
  }
  if (Result<void> written = write(record); !written) {
    const Exit exit = report(refused(written.error()));
    say("nothing was changed");
    return exit;
  }
  const Reloaded reloaded = reload(place);
  if (!reloaded.ok()) return report_taken_back(place, record, reloaded);
  const Result<void> ended =
      record.confirmation ? start_clock(place.state_dir, record, *time) : close_edit(place.state_dir, record, "kept");
  if (!ended) say(to_string(ended.error()));
  print_result(place, number_at(reloaded.answer, "generation"), edits, at(reloaded.answer, "diagnostics"), options,
               record.confirmation ? &record : nullptr);
  return Exit::yes;
}

EditRecord new_record(const EditPlace& place, const std::string& verb, std::vector<EditedFile> files,
                      const EditOptions& options) {
  return {new_edit_id(), verb, who(options), place.directory, EditPhase::writing, {}, {}, std::move(files)};
}

std::optional<Exit> check_confirm(const EditOptions& options) {
  if (options.confirm.empty() || parse_duration(options.confirm)) return std::nullopt;
  say(fmt::format("--confirm {}: expected a time from 1s to 24h, such as 90s, 5m or 1h", options.confirm));
  return Exit::usage;
}

/// What only shows is done here; nothing: it is to be done.
std::optional<Exit> only_show(const EditPlace& place, const std::vector<FileEdit>& edits, const EditOptions& options) {
  if (options.print_patch) {
    fmt::print("{}", patch_text(edits));
    return Exit::yes;
  }
  if (!options.dry_run) return std::nullopt;
  print_result(place, number_at(place.status, "generation"), edits, Json::array(), options, nullptr);
  return Exit::yes;
}

}  // namespace

void add_behalf_options(Arguments& arguments, EditOptions& options) {
  arguments.add("--on-behalf-of", options.on_behalf_of, "Who asked for it").takes("WHO").hidden();
  arguments.add("--caller-pid", options.caller_pid, "A process of theirs").takes("NUMBER").hidden();
}

void add_edit_options(Arguments& arguments, EditOptions& options, Confirmable confirmable) {
  add_behalf_options(arguments, options);
  add_output_options(arguments, options.output, Wide::no);
  arguments.add_flag("--dry-run", options.dry_run, "Only show what would be done");
  arguments.add_flag("--print-patch", options.print_patch, "Only print the edit, as a unified diff");
  arguments.add("--policy-dir", options.policy_dir, "Policy directory; without it: drywalld's").takes("DIR");
  arguments.add("--state-dir", options.state_dir, "What drywalld keeps; without it: as it says").takes("DIR");
  if (confirmable == Confirmable::yes) {
    arguments.add("--confirm", options.confirm, "Roll back after this time (90s, 5m, 1h) unless somebody confirms")
        .takes("TIME");
  }
}

Answer<EditPlace> find_place(const EditOptions& options, NeedsDaemon needs_daemon) {
  EditPlace place;
  Answer<Daemon> daemon =
      needs_daemon == NeedsDaemon::never ? tl::unexpected(Refusal{Exit::unreachable, {}}) : Daemon::connect();
  Answer<Json> status = daemon ? daemon->status() : tl::unexpected(daemon.error());
  if (!status && needs_daemon == NeedsDaemon::yes) return tl::unexpected(status.error());
  if (status) {
    place.daemon.emplace(std::move(*daemon));
    place.status = std::move(*status);
    place.called = text_at(place.status, "policy_dir");
    place.state_dir = text_at(place.status, "state_dir");
  } else {
    place.called = default_policy_directory().string();
    place.state_dir = usual_state_dir;
  }
  if (!options.policy_dir.empty()) place.called = options.policy_dir;
  if (!options.state_dir.empty()) place.state_dir = options.state_dir;
  std::error_code error;
  place.directory = fs::canonical(place.called, error).string();
  if (error) return tl::unexpected(refused({"open", place.called, error.value(), {}}));
  return place;
}

Answer<Descriptor> begin_editing(EditPlace& place, std::optional<EditRecord>& armed) {
  Result<Descriptor> lock = lock_edits(place.state_dir, Patience::none);
  if (!lock) return tl::unexpected(refused(lock.error()));
  const Result<Recovery> recovery = recover_edit(place.state_dir);
  if (!recovery) return tl::unexpected(refused(recovery.error()));
  if (recovery->outcome == Recovery::Outcome::armed) {
    armed = recovery->record;
  } else {
    say_recovery(*recovery);
    if (recovery->outcome != Recovery::Outcome::nothing) std::ignore = make_kernel_follow(place, recovery->record);
  }
  return std::move(*lock);
}

Answer<Descriptor> begin_editing(EditPlace& place) {
  std::optional<EditRecord> armed;
  Answer<Descriptor> lock = begin_editing(place, armed);
  if (!lock || !armed) return lock;
  return tl::unexpected(
      Refusal{Exit::no, fmt::format("{} by {} waits to be confirmed until {}: confirm it or roll it back first",
                                    armed->verb, armed->by, utc_text(armed->confirmation->deadline_utc))});
}

void say_recovery(const Recovery& recovery) {
  const std::string what = fmt::format("{} by {}", recovery.record.verb, recovery.record.by);
  switch (recovery.outcome) {
    case Recovery::Outcome::nothing:
      return;
    case Recovery::Outcome::undone:
      say(fmt::format("{} had not ended: the files are as they were before it", what));
      break;
    case Recovery::Outcome::kept:
      say(fmt::format("{} had written all its files: they stay", what));
      break;
    case Recovery::Outcome::armed:
      say(fmt::format("{} waits to be confirmed until {}", what, utc_text(recovery.record.confirmation->deadline_utc)));
      break;
    case Recovery::Outcome::rolled_back:
      say(fmt::format("{} was rolled back: the files are as they were before it", what));
      break;
  }
  for (const std::string& name : recovery.saved) {
    say(fmt::format("{} was changed by somebody since; that is kept as {}.drywall-saved", name, name));
  }
}

std::optional<std::vector<yaml::SourceFile>> read_good_files(const EditPlace& place) {
  DirectoryContents contents = read_effective_directory(place.called, place.state_dir).contents;
  Diagnostics diagnostics = std::move(contents.diagnostics);
  std::vector<yaml::SourceFile> files(contents.files.begin(), contents.files.end());
  if (!has_errors(diagnostics)) diagnostics = parse(files).diagnostics;
  if (!has_errors(diagnostics)) return files;
  for (const Diagnostic& diagnostic : diagnostics) fmt::print(stderr, "{}", to_string(diagnostic));
  say("the policy directory has mistakes: mend them first");
  return std::nullopt;
}

std::vector<yaml::SourceFile> edited_files(std::vector<yaml::SourceFile> files, const std::vector<FileEdit>& edits) {
  for (const FileEdit& edit : edits) {
    std::erase_if(files, [&](const yaml::SourceFile& file) { return file.name == edit.file; });
    if (edit.after) files.push_back({edit.file, *edit.after});
  }
  std::ranges::sort(files, {}, &yaml::SourceFile::name);
  return files;
}

Exit carry_out(EditPlace& place, const std::string& verb, const std::vector<FileEdit>& edits,
               const EditOptions& options) {
  if (const std::optional<Exit> wrong = check_confirm(options)) return *wrong;
  Result<std::vector<EditedFile>> files = inspect_files(place.directory, edits);
  if (!files) return report(refused(files.error()));
  if (const std::optional<Exit> shown = only_show(place, edits, options)) return *shown;
  return run_edit(place, new_record(place, verb, std::move(*files), options), edits, options,
                  [&](EditRecord& record) { return apply_edit(place.state_dir, record); });
}

Exit put_in_force(EditPlace& place, const std::string& verb, const std::vector<FileEdit>& edits,
                  const EditOptions& options) {
  if (const std::optional<Exit> wrong = check_confirm(options)) return *wrong;
  std::vector<FileEdit> as_they_lie;
  for (const FileEdit& edit : edits) as_they_lie.push_back({edit.file, edit.after, edit.after});
  Result<std::vector<EditedFile>> files = inspect_files(place.directory, as_they_lie);
  if (!files) return report(refused(files.error()));
  for (std::size_t i = 0; i < edits.size(); ++i) (*files)[i].before = edits[i].before;
  if (const std::optional<Exit> shown = only_show(place, edits, options)) return *shown;
  return run_edit(place, new_record(place, verb, std::move(*files), options), edits, options, [&](EditRecord& record) {
    record.phase = EditPhase::written;
    return write_edit_record(place.state_dir, record);
  });
}

Result<std::vector<std::string>> take_back(EditPlace& place, EditRecord& record, const std::string& outcome) {
  Result<std::vector<std::string>> saved = undo_edit(place.state_dir, record, outcome);
  std::ignore = make_kernel_follow(place, record);  // it does by itself, as long as drywalld runs
  return saved;
}

bool make_kernel_follow(EditPlace& place, const EditRecord& record) {
  if (place.daemon && place.daemon->reload()) return true;
  Answer<Daemon> daemon = Daemon::connect();
  if (daemon && daemon->reload()) return true;
  return record.confirmation && load_once(record.confirmation->daemon);
}

Json changed_document(const std::vector<FileEdit>& edits) {
  const auto hash = [](const std::optional<std::string>& text) { return text ? Json(sha256(*text)) : Json(nullptr); };
  Json changed = Json::array();
  for (const FileEdit& edit : edits) {
    changed.push_back({{"file", edit.file}, {"sha256_before", hash(edit.before)}, {"sha256_after", hash(edit.after)}});
  }
  return changed;
}

std::optional<std::chrono::seconds> parse_duration(const std::string& text) {
  constexpr std::chrono::seconds most{24 * 3600};
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(end, text.data() + text.size() - end);
  const std::uint32_t factor = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  if (error != std::errc{} || factor == 0 || number == 0 || number > most.count() / factor) return std::nullopt;
  return std::chrono::seconds(number * factor);
}

std::string utc_text(std::chrono::sys_seconds time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), most_listed); ++i) out += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > most_listed) out += fmt::format(" and {} more", names.size() - most_listed);
  return out;
}

}  // namespace drywall::cli
