// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <vector>

#include "cli/edit.h"

namespace drywall::cli {

/// Starts what rolls the edit back when its time is over, whatever becomes of this program and of drywalld: a unit of
/// systemd's where that runs, so that no end of a session ends it; else a process of its own session.
[[nodiscard]] Result<void> start_watchdog(const EditPlace& place, const EditRecord& record);

/// What it runs: waits until the edit is confirmed or its time is over, and then takes it back.
[[nodiscard]] Exit watch_edit(const std::string& id, const EditOptions& options);

/// Runs drywalld as it was started last, but only to put in force what counts; true if it did.
[[nodiscard]] bool load_once(std::vector<std::string> daemon);

/// Tells everybody who is logged in.
void tell_everybody(const std::string& text);

}  // namespace drywall::cli
