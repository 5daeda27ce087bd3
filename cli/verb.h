// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <string>

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

/// One verb of the program. `declare` adds its options to `app` and returns what to do with them.
struct Verb {
  const char* name;
  const char* summary;
  Run (*declare)(CLI::App& app);
};

/// Adds -o and, for tables that have more columns to show, --wide. `output` must live as long as `app`.
enum class Wide { no, offered };
void add_output_options(CLI::App& app, Output& output, Wide wide);

// One file each.
Run declare_status(CLI::App& app);
Run declare_check(CLI::App& app);
Run declare_match(CLI::App& app);
Run declare_explain(CLI::App& app);
Run declare_render(CLI::App& app);
Run declare_policies(CLI::App& app);
Run declare_flows(CLI::App& app);
Run declare_preview(CLI::App& app);
Run declare_reload(CLI::App& app);
Run declare_doctor(CLI::App& app);
Run declare_init(CLI::App& app);
Run declare_promote(CLI::App& app);
Run declare_demote(CLI::App& app);
Run declare_rollback(CLI::App& app);
Run declare_confirm(CLI::App& app);
Run declare_recover(CLI::App& app);
Run declare_version(CLI::App& app);

}  // namespace drywall::cli
