// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/this_host.h"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <map>
#include <memory>
#include <optional>
#include <span>

namespace drywall::cli {
namespace {

std::optional<Address> address_of(const sockaddr* socket_address) {
  if (socket_address == nullptr) return {};
  if (socket_address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(socket_address);
    return address_from_bytes(std::as_bytes(std::span(&v4->sin_addr, 1)));
  }
  if (socket_address->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(socket_address);
    return address_from_bytes(std::as_bytes(std::span(&v6->sin6_addr, 1)));
  }
  return {};
}

}  // namespace

Host this_host(std::string node) {
  Host host;
  host.node = std::move(node);
  host.failsafe_inbound = default_failsafe_inbound();
  host.failsafe_outbound = default_failsafe_outbound();
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return host;  // without interfaces only `expectedIPs` cannot be resolved
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> list(first, freeifaddrs);
  std::map<std::string, std::vector<Address>> interfaces;
  for (const ifaddrs* entry = first; entry != nullptr; entry = entry->ifa_next) {
    std::vector<Address>& addresses = interfaces[entry->ifa_name];
    if (const auto address = address_of(entry->ifa_addr)) addresses.push_back(*address);
  }
  for (auto& [name, addresses] : interfaces) host.interfaces.push_back({name, std::move(addresses)});
  return host;
}

}  // namespace drywall::cli
