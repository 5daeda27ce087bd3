// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <string>

#include "daemon/daemon.h"

namespace {

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

  const drywall::Result<void> ran = drywall::run_daemon(options);
  if (ran) return 0;
  std::fputs(fmt::format("drywalld: {}\n", drywall::to_string(ran.error())).c_str(), stderr);
  return 1;
}
