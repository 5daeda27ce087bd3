// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "machine/base_chains.h"
#include "machine/boot_units.h"
#include "machine/links.h"
#include "policy/result.h"

namespace drywall {

/// Who has an NFLOG group.
struct GroupHolder {
  std::uint32_t port = 0;     // of netlink
  std::uint32_t process = 0;  // 0: it could not be found
  std::string name;           // of the process; empty: likewise
  bool operator==(const GroupHolder&) const = default;
};

/// What can be read of NFLOG.
struct NflogState {
  bool in_kernel = false;             // loaded, or a module that can be
  std::optional<GroupHolder> holder;  // of the group asked for; nothing: it is free
  bool operator==(const NflogState&) const = default;
};

struct ConntrackTable {
  std::uint64_t entries = 0;
  std::uint64_t limit = 0;
  bool operator==(const ConntrackTable&) const = default;
};

/// Everything around Drywall that decides whether what it says comes true.
struct Surroundings {
  Result<std::vector<BaseChain>> chains;  // of everybody, ours among them
  std::vector<Link> links;
  std::vector<ConnectedNetwork> networks;
  std::vector<BootUnit> boot_units;
  NflogState nflog;
  std::optional<ConntrackTable> conntrack;    // nothing: not in the kernel
  std::optional<bool> picks_up_connections;   // nf_conntrack_tcp_loose
  bool bridges_show_packets = false;          // bridge-nf-call-iptables or -ip6tables
  std::optional<std::size_t> ipsec_policies;  // for tunnels without an interface; nothing: could not be read
};

/// Looks. What cannot be looked at is as if it were not there, but for the chains.
///   root   of the files that say what happens at boot
///   group  the NFLOG group that Drywall wants
[[nodiscard]] Surroundings look_around(const std::filesystem::path& root, std::uint16_t group);

}  // namespace drywall
