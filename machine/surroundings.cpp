// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/surroundings.h"

#include <sys/utsname.h>

#include <fstream>
#include <sstream>

#include "machine/ipsec.h"
#include "machine/legacy_tables.h"
#include "machine/nft_tables.h"
#include "machine/socket_owners.h"

namespace drywall {
namespace {

namespace fs = std::filesystem;

std::optional<std::uint64_t> number_in(const char* path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  if (!(file >> number)) return std::nullopt;
  return number;
}

Result<std::vector<BaseChain>> read_base_chains() {
  Result<std::vector<RuleChain>> chains = read_nft_tables();
  if (!chains) return tl::unexpected(chains.error());
  for (RuleChain& chain : read_legacy_tables()) chains->push_back(std::move(chain));
  return base_chains(*chains);
}

/// The inode of the netfilter netlink socket with that port; 0 if there is none.
std::uint64_t inode_of_port(std::uint32_t port) {
  constexpr unsigned netfilter = 12;
  std::ifstream table("/proc/self/net/netlink");
  std::string line;
  std::getline(table, line);  // the headings
  while (std::getline(table, line)) {
    std::istringstream fields(line);
    std::string skipped;
    unsigned protocol = 0;
    std::uint32_t pid = 0;
    std::uint64_t inode = 0;
    fields >> skipped >> protocol >> pid;
    for (int i = 0; i < 6; ++i) fields >> skipped;  // groups, buffers, dump, locks, drops
    if (fields >> inode && protocol == netfilter && pid == port) return inode;
  }
  return 0;
}

GroupHolder who_has(std::uint32_t port) {
  const auto owners = read_socket_owners();
  const auto owner = owners.find(inode_of_port(port));
  if (owner == owners.end()) return {port, 0, {}};
  return {port, owner->second.id, owner->second.name};
}

/// Whether the kernel has nfnetlink_log, or a module that it can load.
bool has_nflog() {
  std::error_code error;
  if (fs::exists("/proc/self/net/netfilter/nfnetlink_log", error)) return true;
  utsname system{};
  if (uname(&system) != 0) return true;  // nobody knows
  for (const char* list : {"modules.dep", "modules.builtin"}) {
    std::ifstream modules(fs::path("/lib/modules") / system.release / list);
    std::string line;
    while (std::getline(modules, line)) {
      if (line.find("/nfnetlink_log.ko") != std::string::npos) return true;
    }
  }
  return false;
}

NflogState read_nflog(std::uint16_t group) {
  NflogState state{has_nflog(), std::nullopt};
  std::ifstream table("/proc/self/net/netfilter/nfnetlink_log");
  std::uint32_t number = 0;
  std::uint32_t port = 0;
  std::string rest;
  while (table >> number >> port && std::getline(table, rest)) {
    if (number == group) state.holder = who_has(port);
  }
  return state;
}

std::optional<ConntrackTable> read_conntrack() {
  const auto entries = number_in("/proc/sys/net/netfilter/nf_conntrack_count");
  const auto limit = number_in("/proc/sys/net/netfilter/nf_conntrack_max");
  if (!entries || !limit) return std::nullopt;
  return ConntrackTable{*entries, *limit};
}

}  // namespace

Surroundings look_around(const fs::path& root, std::uint16_t group) {
  Surroundings seen{read_base_chains(), {}, {}, read_boot_units(root), read_nflog(group), read_conntrack(), {}, {}, {}};
  seen.links = read_links().value_or(std::vector<Link>{});
  seen.networks = read_connected_networks().value_or(std::vector<ConnectedNetwork>{});
  if (const auto loose = number_in("/proc/sys/net/netfilter/nf_conntrack_tcp_loose")) {
    seen.picks_up_connections = *loose != 0;
  }
  for (const char* key :
       {"/proc/sys/net/bridge/bridge-nf-call-iptables", "/proc/sys/net/bridge/bridge-nf-call-ip6tables"}) {
    seen.bridges_show_packets |= number_in(key).value_or(0) != 0;
  }
  const Result<std::size_t> policies = count_ipsec_policies_without_interface();
  if (policies) seen.ipsec_policies = *policies;
  return seen;
}

}  // namespace drywall
