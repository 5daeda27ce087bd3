// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/links.h"

#include <ifaddrs.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

namespace drywall {
namespace {

constexpr int most_link_dumps = 8;  // tries while interfaces keep coming and going

/// Nothing for what is no IP address (AF_PACKET: the interface itself).
std::optional<Address> address_of(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof v4);
    return address_from_bytes(std::as_bytes(std::span(&v4.sin_addr, 1)));
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof v6);
    return address_from_bytes(std::as_bytes(std::span(&v6.sin6_addr, 1)));
  }
  return std::nullopt;
}

/// `eth0:1`, an alias label of old, is interface eth0.
std::string without_label(std::string_view text) {
  return std::string(text.substr(0, text.find(':')));
}

using AddressList = std::unique_ptr<ifaddrs, decltype(&freeifaddrs)>;

Result<AddressList> list_addresses() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return tl::unexpected(Failure{"list", "addresses", errno, {}});
  return AddressList(list, &freeifaddrs);
}

Result<std::map<std::string, std::set<Address>>> read_addresses() {
  const Result<AddressList> list = list_addresses();
  if (!list) return tl::unexpected(list.error());
  std::map<std::string, std::set<Address>> addresses;
  for (const ifaddrs* entry = list->get(); entry != nullptr; entry = entry->ifa_next) {
    if (const auto address = address_of(entry->ifa_addr)) addresses[without_label(entry->ifa_name)].insert(*address);
  }
  return addresses;
}

/// What the kernel says of one link, as far as it is of use.
struct LinkMessage {
  std::uint32_t index = 0;
  std::string name;
  std::string kind;
  std::uint32_t master = 0;  // an index
  bool is_port = false;      // of a bridge, which is its master
};

int read_info(const nlattr* attribute, void* into) {
  auto& link = *static_cast<LinkMessage*>(into);
  if (mnl_attr_validate(attribute, MNL_TYPE_STRING) < 0) return MNL_CB_OK;
  const std::string_view text(static_cast<const char*>(mnl_attr_get_payload(attribute)),
                              mnl_attr_get_payload_len(attribute));
  const std::string_view word = text.substr(0, text.find('\0'));
  if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND) link.kind = word;
  if (mnl_attr_get_type(attribute) == IFLA_INFO_SLAVE_KIND) link.is_port = word == "bridge";
  return MNL_CB_OK;
}

int read_attribute(const nlattr* attribute, void* into) {
  auto& link = *static_cast<LinkMessage*>(into);
  switch (mnl_attr_get_type(attribute)) {
    case IFLA_IFNAME:
      if (mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0) link.name = mnl_attr_get_str(attribute);
      break;
    case IFLA_MASTER:
      if (mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0) link.master = mnl_attr_get_u32(attribute);
      break;
    case IFLA_LINKINFO:
      if (mnl_attr_validate(attribute, MNL_TYPE_NESTED) >= 0) mnl_attr_parse_nested(attribute, read_info, &link);
      break;
    default:
      break;
  }
  return MNL_CB_OK;
}

LinkMessage parse_link(const nlmsghdr* message) {
  LinkMessage link;
  const auto* header = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
  link.index = static_cast<std::uint32_t>(header->ifi_index);
  mnl_attr_parse(message, sizeof(ifinfomsg), read_attribute, &link);
  return link;
}

using SocketPtr = std::unique_ptr<mnl_socket, int (*)(mnl_socket*)>;

/// One dump; EINTR: interfaces came or went meanwhile.
Result<std::vector<LinkMessage>> dump_links_once() {
  const auto failed = [] { return tl::unexpected(Failure{"list", "network interfaces", errno, "rtnetlink"}); };
  const SocketPtr socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC), &mnl_socket_close);
  if (socket == nullptr || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) return failed();
  std::array<char, 64 * 1024> buffer;
  nlmsghdr* request = mnl_nlmsg_put_header(buffer.data());
  request->nlmsg_type = RTM_GETLINK;
  request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request->nlmsg_seq = 1;
  static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(request, sizeof(ifinfomsg)))->ifi_family = AF_UNSPEC;
  if (mnl_socket_sendto(socket.get(), request, request->nlmsg_len) < 0) return failed();
  std::vector<LinkMessage> links;
  const auto keep = [](const nlmsghdr* message, void* into) {
    if (message->nlmsg_type == RTM_NEWLINK && mnl_nlmsg_get_payload_len(message) >= sizeof(ifinfomsg))
      static_cast<std::vector<LinkMessage>*>(into)->push_back(parse_link(message));
    return MNL_CB_OK;
  };
  int status = MNL_CB_OK;
  while (status > MNL_CB_STOP) {
    const ssize_t got = mnl_socket_recvfrom(socket.get(), buffer.data(), buffer.size());
    if (got < 0) return failed();
    status =
        mnl_cb_run(buffer.data(), static_cast<std::size_t>(got), 1, mnl_socket_get_portid(socket.get()), keep, &links);
  }
  if (status < 0) return failed();
  return links;
}

Result<std::vector<LinkMessage>> dump_links() {
  Result<std::vector<LinkMessage>> links = dump_links_once();
  for (int tries = 1; tries < most_link_dumps && !links && links.error().error == EINTR; ++tries)
    links = dump_links_once();
  return links;
}

}  // namespace

Result<std::vector<Link>> read_links() {
  Result<std::vector<LinkMessage>> messages = dump_links();
  if (!messages) return tl::unexpected(messages.error());
  Result<std::map<std::string, std::set<Address>>> addresses = read_addresses();
  if (!addresses) return tl::unexpected(addresses.error());
  std::map<std::uint32_t, std::string> names;
  for (const LinkMessage& message : *messages) names[message.index] = message.name;
  std::vector<Link> links;
  for (const LinkMessage& message : *messages) {
    const std::set<Address>& own = (*addresses)[message.name];
    const std::string master = message.master == 0 ? "" : names[message.master];
    const std::string bridge = message.is_port ? master : "";
    links.push_back({message.index, {message.name, {own.begin(), own.end()}, bridge}, message.kind, master});
  }
  std::ranges::sort(links, {}, [](const Link& link) { return link.interface.name; });
  return links;
}

Result<std::vector<ConnectedNetwork>> read_connected_networks() {
  const Result<AddressList> list = list_addresses();
  if (!list) return tl::unexpected(list.error());
  std::vector<ConnectedNetwork> networks;
  for (const ifaddrs* entry = list->get(); entry != nullptr; entry = entry->ifa_next) {
    const auto address = address_of(entry->ifa_addr);
    const auto mask = address_of(entry->ifa_netmask);
    if (!address || !mask || mask->family != address->family) continue;
    const int length = std::popcount(mask->high) + std::popcount(mask->low);
    networks.push_back({without_label(entry->ifa_name), masked({*address, static_cast<std::uint8_t>(length)})});
  }
  return networks;
}

}  // namespace drywall
