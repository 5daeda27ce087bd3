// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/bus.h"
#include "policy/compile.h"
#include "policy/net.h"

namespace drywall::cli {

/// A connection to this host, as somebody would make it anew.
struct ConnectionHere {
  Address here;
  Address there;
  std::uint16_t port_here = 0;
  std::uint16_t port_there = 0;
  auto operator<=>(const ConnectionHere&) const = default;
};

/// How whoever runs this program, or had it run, came to this host.
struct Caller {
  std::optional<ConnectionHere> connection;        // of the sshd among the ancestors of this process
  std::optional<Address> remote_host;              // else of the login session
  std::optional<std::chrono::microseconds> began;  // the connection or session, since boot
  std::string text;                                // for people
  [[nodiscard]] bool is_known() const { return connection || remote_host; }
};
///   daemon  asked for the login session only
///   pid     a process of theirs; 0: this one
[[nodiscard]] Caller find_caller(Daemon* daemon, int pid);

/// As the D-Bus method Preview takes it; empty if there is no connection.
[[nodiscard]] std::map<std::string, std::string> caller_fields(const Caller& caller);

/// The connections that must stay possible: the caller's own; of a caller without one, every one that sshd has.
[[nodiscard]] std::vector<ConnectionHere> connections_to_keep(const Caller& caller);

/// Which of them would be denied if they were begun anew under this policy.
///   host  this one, with its failsafe ports
[[nodiscard]] std::vector<ConnectionHere> cut_off(const Inventory& inventory, const Host& host,
                                                  const std::vector<ConnectionHere>& connections);

[[nodiscard]] std::string to_string(const ConnectionHere& connection);

}  // namespace drywall::cli
