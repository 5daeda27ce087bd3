// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace drywall {

/// A program that puts rules into the kernel when the machine boots.
struct BootUnit {
  std::string name;                  // "nftables.service"
  std::vector<std::string> flushes;  // where its files flush every table, ours too: "/etc/nftables.conf:3"
  bool before_drywall = false;       // each unit of Drywall that is installed waits for it
  bool operator==(const BootUnit&) const = default;
};

/// Those that are enabled, by files and links alone: nothing is asked of systemd.
///   root  where / is; "/" but for tests and images
[[nodiscard]] std::vector<BootUnit> read_boot_units(const std::filesystem::path& root);

}  // namespace drywall
