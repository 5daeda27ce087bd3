// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "policy/result.h"

namespace drywall {

/// The command line.
struct Options {
  std::optional<std::string> policy_dir;  // absolute; over the configuration's
  std::string state_dir = "/var/lib/drywall";
  std::string runtime_dir = "/run/drywall";
  std::optional<std::string> config_file;  // absolute; must exist if given
  std::optional<std::string> node;
  enum class Run : std::uint8_t { on, once } run = Run::on;  // once: put the directory in force, and end
  bool operator==(const Options&) const = default;
};

/// Runs until SIGTERM or SIGINT; the kernel's rules stay when it ends.
///   errors  what keeps it from starting at all; anything else is told by its state
[[nodiscard]] Result<void> run_daemon(const Options& options);

}  // namespace drywall
