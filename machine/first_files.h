// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "machine/socket_owners.h"
#include "machine/sockets.h"
#include "policy/net.h"
#include "policy/selector.h"

// What `drywall init` writes: pure functions from what a host has to the text of its first files.

namespace drywall {

/// A port at which a program of this host waits for others.
struct OpenPort {
  Protocol protocol;
  std::uint16_t port = 0;
  std::string program;  // empty: not known
  auto operator<=>(const OpenPort&) const = default;
};

/// The services among the sockets, each port once, sorted. Left out: what only loopback reaches, DHCP clients, and UDP
/// ports that the kernel chose (first_ephemeral and up), which are clients'.
[[nodiscard]] std::vector<OpenPort> open_ports(std::span<const Socket> sockets,
                                               const std::map<std::uint64_t, Process>& owners,
                                               std::uint16_t first_ephemeral);

/// The ports that sshd listens at, from what `sshd -T` prints; none if that says nothing of them.
[[nodiscard]] std::vector<std::uint16_t> sshd_ports(std::string_view printed);

/// What the files are made of.
struct FirstChoices {
  Labels labels;                         // of the host endpoint; never empty
  std::vector<std::uint16_t> ssh_ports;  // sorted; never empty
  std::vector<OpenPort> ports;
};

[[nodiscard]] std::vector<std::string> first_failsafe_inbound(const FirstChoices& choices);
[[nodiscard]] std::vector<std::string> first_failsafe_outbound();

/// Keys of drywall.yaml, with comments.
[[nodiscard]] std::string first_configuration(const FirstChoices& choices);
/// One staged policy that allows what is there now.
[[nodiscard]] std::string first_policy(const FirstChoices& choices);

}  // namespace drywall
