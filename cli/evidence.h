// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/bus.h"

namespace drywall::cli {

/// Says on stderr what evidence is missing, if any is: counts below are then too low.
void say_what_was_lost(const Json& evidence);
/// The same, asked from the daemon; silent if it does not answer (the caller has its answer already).
void say_what_was_lost(Daemon& daemon);

}  // namespace drywall::cli
