// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cli/bus.h"
#include "directory/transaction.h"
#include "policy/edit.h"

namespace drywall::cli {

/// What all verbs that edit the policy directory take.
struct EditOptions {
  Output output;
  std::string policy_dir;  // empty: as drywalld says
  std::string state_dir;   // likewise
  std::string confirm;     // how long to wait for it; empty: for ever
  bool dry_run = false;
  bool print_patch = false;
  std::string on_behalf_of;  // whom the record names; empty: whoever runs this
  int caller_pid = 0;        // a process of theirs; 0: this one
};
enum class Confirmable { no, yes };
void add_edit_options(Arguments& arguments, EditOptions& options, Confirmable confirmable);
/// What drywalld says of those who ask it for an edit (cli/edit_request.h).
void add_behalf_options(Arguments& arguments, EditOptions& options);

/// Where the policy directory is, and who is there to read it.
struct EditPlace {
  std::string directory;  // without links
  std::string called;     // as the user and drywalld call it
  std::string state_dir;
  std::optional<Daemon> daemon;
  Json status;  // of the daemon; null: there is none
};
///   needs_daemon  no: what is not given is what a host usually has; never: nor is it asked, which could start it
enum class NeedsDaemon { no, yes, never };
[[nodiscard]] Answer<EditPlace> find_place(const EditOptions& options, NeedsDaemon needs_daemon);

/// Takes the lock and finishes what a writer that died left, saying so.
///   errors  somebody else edits; an edit waits to be confirmed
[[nodiscard]] Answer<Descriptor> begin_editing(EditPlace& place);
/// The same, but lets an edit wait that does.
///   armed  is set if one does
[[nodiscard]] Answer<Descriptor> begin_editing(EditPlace& place, std::optional<EditRecord>& armed);
/// Says what became of what a writer that died left.
void say_recovery(const Recovery& recovery);

/// The files of the directory, if all of it can be read and is without mistakes; these are shown.
[[nodiscard]] std::optional<std::vector<yaml::SourceFile>> read_good_files(const EditPlace& place);
/// The files as they will be.
[[nodiscard]] std::vector<yaml::SourceFile> edited_files(std::vector<yaml::SourceFile> files,
                                                         const std::vector<FileEdit>& edits);

/// Writes the edits and has them put in force as one generation; if that fails, nothing has changed. Shows what it did,
/// or with --dry-run and --print-patch what it would do.
[[nodiscard]] Exit carry_out(EditPlace& place, const std::string& verb, const std::vector<FileEdit>& edits,
                             const EditOptions& options);
/// The same for files that somebody has written already: edits are from what is in force to what lies there.
[[nodiscard]] Exit put_in_force(EditPlace& place, const std::string& verb, const std::vector<FileEdit>& edits,
                                const EditOptions& options);

/// Takes back an edit, in the files and in the kernel.
///   returns  what was changed by somebody else since, and kept as NAME.drywall-saved
[[nodiscard]] Result<std::vector<std::string>> take_back(EditPlace& place, EditRecord& record,
                                                         const std::string& outcome);
/// Has the kernel hold what counts: by drywalld, or without it as it was started last.
[[nodiscard]] bool make_kernel_follow(EditPlace& place, const EditRecord& record);

/// The edits as `{file, sha256_before, sha256_after}`.
[[nodiscard]] Json changed_document(const std::vector<FileEdit>& edits);

/// 90s, 5m, 2h; from a second to a day.
[[nodiscard]] std::optional<std::chrono::seconds> parse_duration(const std::string& text);
[[nodiscard]] std::string utc_text(std::chrono::sys_seconds time);

/// The files of `names`, and "and 3 more" if there are many.
[[nodiscard]] std::string listed(const std::vector<std::string>& names);

}  // namespace drywall::cli
