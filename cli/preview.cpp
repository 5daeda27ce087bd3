// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/core.h>

#include <memory>

#include "cli/bus.h"
#include "cli/caller.h"
#include "cli/policy_name.h"
#include "cli/preview_text.h"
#include "cli/terminal.h"
#include "cli/verb.h"

namespace drywall::cli {
namespace {

struct PreviewOptions {
  Output output;
  std::vector<std::string> policies;
};

Json documented_preview(const Json& preview) {
  Json document = arranged(preview, {{"policies"},
                                     {"content_sha256"},
                                     {"observed"},
                                     {"new_denies"},
                                     {"new_allows"},
                                     {"unused_rules"},
                                     {"connections"},
                                     {"connection_totals"},
                                     {"listeners"},
                                     {"safety_nets"},
                                     {"failsafe"},
                                     {"ready"},
                                     {"reasons"}});
  document["observed"] =
      arranged(at(preview, "observed"), {{"since", Key::null_if_absent}, {"seconds"}, {"flows"}, {"lost"}});
  return document;
}

Exit show(const PreviewOptions& options) {
  Answer<Daemon> daemon = Daemon::connect();
  if (!daemon) return report(daemon.error());
  const Answer<std::vector<std::string>> named = staged_policies(*daemon, options.policies);
  if (!named) return report(named.error());
  const Answer<Json> preview = daemon->preview(*named, caller_fields(find_caller(&*daemon, 0)));
  if (!preview) return report(preview.error());
  if (options.output.format == Format::json) {
    print(documented_preview(*preview));
  } else if (at(*preview, "policies").empty()) {
    fmt::print("nothing is staged: there is nothing to preview\n");
  } else {
    fmt::print("{}", preview_text(*preview));
  }
  return at(*preview, "ready") == true ? Exit::yes : Exit::no;
}

}  // namespace

Run declare_preview(Arguments& arguments) {
  auto options = std::make_shared<PreviewOptions>();
  add_output_options(arguments, options->output, Wide::no);
  arguments.add("policy", options->policies, "Staged policies ([KIND/][NAMESPACE/]NAME); none: all of them")
      .takes("POLICY");
  return [options] { return show(*options); };
}

}  // namespace drywall::cli
