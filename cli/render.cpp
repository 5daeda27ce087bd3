// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/lower.h"

#include <fmt/core.h>

#include <memory>
#include <optional>

#include "cli/bus.h"
#include "cli/configured_endpoint.h"
#include "cli/policy_files.h"
#include "cli/terminal.h"
#include "cli/this_host.h"
#include "cli/verb.h"
#include "policy/parse.h"
#include "render/nft_text.h"

namespace drywall::cli {
namespace {

struct RenderVerbOptions {
  std::string policy_directory;
  std::string node;
  std::string world;  // empty: both
  Output output;
};

Exit print_text(const RenderVerbOptions& options, const std::string& text) {
  if (options.output.format == Format::json) {
    print(Json{{"world", options.world.empty() ? Json() : Json(options.world)}, {"text", text}});
  } else {
    fmt::print("{}", text);
  }
  return Exit::yes;
}

Exit report_all(const Diagnostics& diagnostics) {
  for (const Diagnostic& diagnostic : diagnostics) fmt::print(stderr, "{}", to_string(diagnostic));
  return Exit::no;
}

Exit render_files(const RenderVerbOptions& options) {
  const std::filesystem::path directory =
      options.policy_directory.empty() ? default_policy_directory() : std::filesystem::path(options.policy_directory);
  const auto read = read_policy_files({directory});
  if (!read) {
    say(to_string(read.error()));
    return Exit::usage;
  }
  if (has_errors(read->diagnostics)) return report_all(read->diagnostics);
  Parsed parsed = parse(read->files);
  if (has_errors(parsed.diagnostics)) return report_all(parsed.diagnostics);
  if (options.policy_directory.empty()) add_configured_endpoint(parsed.inventory, options.node);
  const Host host = this_host(options.node);
  const Plan enforced = compile(parsed.inventory, host, World::enforced);
  const Plan pending = compile(parsed.inventory, host, World::pending);
  // One world alone is that world enforced, with nothing beside it to observe.
  const Plan& first = options.world == "pending" ? pending : enforced;
  const Plan& second = options.world == "enforced" ? enforced : pending;
  const auto ruleset = lower(first, second, RenderOptions{});
  if (!ruleset) return report_all(ruleset.error());
  return print_text(options, nft_text(*ruleset));
}

Exit render_daemon(const RenderVerbOptions& options) {
  Answer<Daemon> daemon = Daemon::connect();
  if (!daemon) return report(daemon.error());
  const Answer<std::string> text = daemon->render(options.world);
  if (!text) return report(text.error());
  return print_text(options, *text);
}

}  // namespace

Run declare_render(Arguments& arguments) {
  auto options = std::make_shared<RenderVerbOptions>();
  arguments.add("--policy-dir", options->policy_directory, "Render this directory, without the daemon").takes("DIR");
  arguments
      .add("--node", options->node,
           "Render for this node, without the daemon; with --policy-dir alone every endpoint counts as local")
      .takes("NAME");
  arguments.add("--world", options->world, "Only these verdicts: those that are, or those of a joint promotion")
      .one_of({"enforced", "pending"});
  add_output_options(arguments, options->output, Wide::no);
  return [options] {
    const bool offline = !options->policy_directory.empty() || !options->node.empty();
    return offline ? render_files(*options) : render_daemon(*options);
  };
}

}  // namespace drywall::cli
