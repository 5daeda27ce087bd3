// SPDX-License-Identifier: GPL-2.0-or-later
#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include "daemon/boot.h"
#include "daemon/daemon.h"
#include "daemon/journal.h"

namespace {

/// What kept the program from doing what it was started for.
int fail(const drywall::Failure& failure) {
  drywall::Journal().write(drywall::LogLevel::error, drywall::message_id::life, drywall::to_string(failure));
  return 1;
}

/// Tells how one of the tasks went that are done at once.
int tell(const drywall::Result<std::string>& done) {
  if (!done) return fail(done.error());
  drywall::Journal().write(drywall::LogLevel::info, drywall::message_id::last_good, *done);
  return 0;
}

std::string absolute(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Keeps the policy directory in force in the kernel, and records what staged policy would do.",
               "drywalld"};
  drywall::Options options;
  std::string policy_dir;
  std::string config_file;
  std::string node;
  app.set_version_flag("--version", "drywalld " DRYWALL_VERSION);
  app.add_option("--policy-dir", policy_dir, "Policy directory (/etc/drywall/policy.d)")->type_name("DIR");
  app.add_option("--state-dir", options.state_dir, "What survives a restart (/var/lib/drywall)")->type_name("DIR");
  app.add_option("--runtime-dir", options.runtime_dir, "Lock (/run/drywall)")->type_name("DIR");
  app.add_option("--config", config_file, "Configuration (/etc/drywall/drywall.yaml)")->type_name("FILE");
  app.add_option("--node", node, "Name of this node in the policy (the host's name, lower case)")->type_name("NAME");
  bool is_boot = false;
  app.add_flag("--boot", is_boot,
               "Only put in force what was in force last, and end: for use before the network is up");
  bool is_removal = false;
  app.add_flag("--remove-rules", is_removal, "Only take our rules out of the kernel, and end")->excludes("--boot");
  app.add_flag_callback(
      "--once", [&] { options.run = drywall::Options::Run::once; },
      "Put the policy directory in force and end: for when no daemon shall run");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  options.state_dir = absolute(options.state_dir);
  options.runtime_dir = absolute(options.runtime_dir);
  if (!policy_dir.empty()) options.policy_dir = absolute(policy_dir);
  if (!config_file.empty()) options.config_file = absolute(config_file);
  if (!node.empty()) options.node = node;

  if (is_boot) return tell(drywall::load_at_boot(options.state_dir));
  if (is_removal) return tell(drywall::remove_rules());
  const drywall::Result<void> ran = drywall::run_daemon(options);
  return ran ? 0 : fail(ran.error());
}
