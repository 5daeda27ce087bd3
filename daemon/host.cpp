// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/host.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "machine/host_name.h"
#include "machine/links.h"
#include "machine/os_release.h"
#include "policy/auto_endpoint.h"

namespace drywall {
Result<Machine> read_machine() {
  Result<std::vector<Link>> links = read_links();
  if (!links) return tl::unexpected(links.error());
  Machine machine{host_name(), {}, {}, os_labels(read_os_release())};
  for (Link& link : *links) {
    machine.indexes.emplace_back(link.index, link.interface.name);
    machine.interfaces.push_back(std::move(link.interface));
  }
  std::ranges::sort(machine.indexes);
  return machine;
}

std::optional<HostEndpoint> auto_endpoint(const Config& config, const Machine& machine) {
  if (!config.has_auto_endpoint) return std::nullopt;
  Labels labels = config.labels;
  labels.insert(machine.os.begin(), machine.os.end());  // the administrator's own win
  return auto_endpoint(config.node.empty() ? machine.host_name : config.node, std::move(labels),
                       config.places.at("host_endpoint").at);
}

Host host_for(const Config& config, const Machine& machine) {
  Host host;
  host.node = config.node.empty() ? machine.host_name : config.node;
  host.interfaces = machine.interfaces;
  host.failsafe_inbound = config.failsafe_inbound.value_or(default_failsafe_inbound());
  host.failsafe_outbound = config.failsafe_outbound.value_or(default_failsafe_outbound());
  host.workload_prefixes = config.workload_prefixes.value_or(std::vector<std::string>{});
  host.endpoint_to_host = config.endpoint_to_host.value_or(host.endpoint_to_host);
  host.deny_action = config.deny_action.value_or(host.deny_action);
  return host;
}

void InterfaceNames::update(const Machine& machine) {
  for (const auto& [index, name] : machine.indexes) {
    if (names_.insert_or_assign(index, name).second) oldest_first_.push_back(index);
  }
  while (oldest_first_.size() > most) {
    names_.erase(oldest_first_.front());
    oldest_first_.pop_front();
  }
}

std::string_view InterfaceNames::name(std::uint32_t index) const {
  const auto found = names_.find(index);
  return found == names_.end() ? std::string_view{} : found->second;
}

Result<LinkWatch> LinkWatch::open() {
  Descriptor fd(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return tl::unexpected(Failure{"watch", "network interfaces", errno, "rtnetlink"});
  }
  return LinkWatch(std::move(fd));
}

bool LinkWatch::drain() {
  bool changed = false;
  std::array<char, 64 * 1024> buffer;
  for (int round = 0; round < 256; ++round) {
    const ssize_t got = recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != ENOBUFS) break;
    changed = true;
  }
  return changed;
}

}  // namespace drywall
