// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "cli/verb.h"

namespace drywall::cli {

/// Prints what a shell can offer for the last of `words`, one a line, with a tab and an explanation behind verbs and
/// options; `:files` or `:directories` instead if the shell itself knows best. What is there comes from the options as
/// declared, names of policies, tiers and endpoints from drywalld. Never says a word if it does not answer.
///   words  what stands behind `drywall` up to the cursor; the last one may be empty
Exit complete(const CLI::App& app, const std::vector<std::string>& words);

}  // namespace drywall::cli
