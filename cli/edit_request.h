// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "cli/verb.h"

namespace drywall::cli {

/// What drywalld is asked for over D-Bus and may not do itself: it may not write the policy directory, whoever runs
/// `drywall --edit-request` with the request as its standard input (drywall-edit@.service) may. One JSON object,
/// then end of file:
///   verb      promote, demote, rollback or confirm
///   policies  [[KIND/][NAMESPACE/]NAME, ...]
///   options   {accept, accept_lockout, accept_old_session, force, dry_run: "true"; confirm, extend: a time}
///   by        who asks, for the record
///   pid       a process of theirs
///
/// returns  the words of the command that does it
/// errors   in words for whoever asked
[[nodiscard]] tl::expected<std::vector<std::string>, std::string> command_of_request(std::string_view request);

/// Carries out the request on standard input. The answer on standard output is one JSON object:
///   exit      as of the command line
///   answer    the JSON of the verb; null: it printed none
///   messages  what it told, as text
[[nodiscard]] Exit serve_edit_request();

}  // namespace drywall::cli
