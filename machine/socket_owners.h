// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace drywall {

struct Process {
  std::uint32_t id = 0;
  std::string name;
  bool operator==(const Process&) const = default;
};

/// Which process holds a socket, by the socket's inode; of several the one with the lowest id. Only what /proc shows
/// us: everything to root.
[[nodiscard]] std::map<std::uint64_t, Process> read_socket_owners();

}  // namespace drywall
