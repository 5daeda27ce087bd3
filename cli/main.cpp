// SPDX-License-Identifier: GPL-2.0-or-later
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <array>
#include <cstdio>
#include <string_view>

#include "cli/complete.h"
#include "cli/edit_request.h"
#include "cli/verb.h"

namespace drywall::cli {
namespace {

constexpr std::array verbs{
    Verb{"status", "Show what is in force, and whether it is what the policy directory says", declare_status},
    Verb{"check", "Read policy files and show every mistake in them; needs no daemon", declare_check},
    Verb{"match", "Say whether a selector matches labels; needs no daemon", declare_match},
    Verb{"explain", "Say what would become of a packet and why; needs no daemon", declare_explain},
    Verb{"render", "Print the rules as text that `nft -f` takes", declare_render},
    Verb{"policies", "List the policies in order of evaluation, with their counters", declare_policies},
    Verb{"flows", "Show traffic, what happened to it and what the staged policies would do to it", declare_flows},
    Verb{"preview", "Show what promoting staged policies would change, and whether they are ready", declare_preview},
    Verb{"reload", "Read the policy directory now and wait until the kernel holds it", declare_reload},
    Verb{"init", "Write a first configuration and a first staged policy for this host; needs no daemon", declare_init},
    Verb{"doctor", "Look for what stands beside or against the policy on this machine; needs no daemon",
         declare_doctor},
    Verb{"promote", "Make staged policies enforced, in their files and in the kernel", declare_promote},
    Verb{"demote", "Make enforced policies staged again", declare_demote},
    Verb{"rollback", "Go back to the generation before, in the files and in the kernel", declare_rollback},
    Verb{"confirm", "Keep what would be rolled back, from a connection that began after it", declare_confirm},
    Verb{"recover", "Finish or undo what was left of an edit whose writer died", declare_recover},
    Verb{"version", "Print the version of this program", declare_version},
};

constexpr const char* exit_codes =
    "Exit codes: 0 yes, done, healthy; 1 no, invalid, refused, degraded; 2 usage or unknown name;\n"
    "3 drywalld does not answer; 4 not authorised; 5 the kernel refused.";

Exit run(int argc, char** argv) {
  CLI::App app{"drywall: see what a firewall policy would do before it does it"};
  app.footer(exit_codes);
  app.require_subcommand(1);
  app.set_version_flag("--version", "drywall " DRYWALL_VERSION);
  std::array<Run, verbs.size()> runs;
  std::array<CLI::App*, verbs.size()> apps{};
  for (std::size_t i = 0; i < verbs.size(); ++i) {
    apps[i] = app.add_subcommand(verbs[i].name, verbs[i].summary);
    Arguments arguments(*apps[i]);
    runs[i] = verbs[i].declare(arguments);
  }
  if (argc >= 2 && std::string_view(argv[1]) == "--complete") {  // for shells (packaging/completion)
    return complete(app, {argv + 2, argv + argc});
  }
  if (argc == 2 && std::string_view(argv[1]) == "--edit-request") return serve_edit_request();  // for drywalld
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? Exit::yes : Exit::usage;  // 0: --help or --version, already printed
  }
  for (std::size_t i = 0; i < verbs.size(); ++i) {
    if (apps[i]->parsed()) return runs[i]();
  }
  return Exit::usage;
}

}  // namespace

void add_output_options(Arguments& arguments, Output& output, Wide wide) {
  const auto take = [&output](const std::string& word) {
    output.format = word == "json" ? Format::json : Format::table;
  };
  arguments.add("-o,--output", take, "How to print: table or json").one_of({"table", "json"});
  if (wide == Wide::offered) arguments.add_flag("--wide", output.wide, "Show everything that there is to a row");
}

}  // namespace drywall::cli

int main(int argc, char** argv) {
  const drywall::cli::Exit exit = drywall::cli::run(argc, argv);
  // An answer that did not reach its reader is no answer.
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    std::perror("drywall: cannot write the answer");
    return static_cast<int>(drywall::cli::Exit::usage);
  }
  return static_cast<int>(exit);
}
