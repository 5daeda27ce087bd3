// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <string>

#include "cli/arguments.h"

namespace drywall::cli {

/// What the program ends with; docs/cli.md tells users what each means.
enum class Exit : int {
  yes = 0,             // yes, done, healthy; nothing to do is this too, and says so
  no = 1,              // no, invalid, refused, degraded
  usage = 2,           // usage, unknown name, cannot tell
  unreachable = 3,     // drywalld does not answer
  unauthorised = 4,    // the caller may not
  kernel_refused = 5,  // the kernel did not take it
};

enum class Format { table, json };

/// How a verb prints: -o table|json and --wide.
struct Output {
  Format format = Format::table;
  bool wide = false;
};

/// What a verb does, once its options are read.
using Run = std::function<Exit()>;

/// One verb of the program. `declare` adds what it takes to `arguments` and returns what to do with them.
struct Verb {
  const char* name;
  const char* summary;
  Run (*declare)(Arguments& arguments);
};

/// Adds -o and, for tables that have more columns to show, --wide. `output` must live as long as the program takes
/// arguments.
enum class Wide { no, offered };
void add_output_options(Arguments& arguments, Output& output, Wide wide);

// One file each.
Run declare_status(Arguments& arguments);
Run declare_check(Arguments& arguments);
Run declare_match(Arguments& arguments);
Run declare_explain(Arguments& arguments);
Run declare_render(Arguments& arguments);
Run declare_policies(Arguments& arguments);
Run declare_flows(Arguments& arguments);
Run declare_preview(Arguments& arguments);
Run declare_reload(Arguments& arguments);
Run declare_doctor(Arguments& arguments);
Run declare_init(Arguments& arguments);
Run declare_promote(Arguments& arguments);
Run declare_demote(Arguments& arguments);
Run declare_rollback(Arguments& arguments);
Run declare_confirm(Arguments& arguments);
Run declare_recover(Arguments& arguments);
Run declare_version(Arguments& arguments);

}  // namespace drywall::cli
