// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/routes.h"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace drywall {
namespace {

int read_interface(const nlattr* attribute, void* into) {
  if (mnl_attr_get_type(attribute) == RTA_OIF && mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0) {
    *static_cast<std::optional<std::uint32_t>*>(into) = mnl_attr_get_u32(attribute);
  }
  return MNL_CB_OK;
}

int read_route(const nlmsghdr* message, void* into) {
  if (message->nlmsg_type == RTM_NEWROUTE && mnl_nlmsg_get_payload_len(message) >= sizeof(rtmsg)) {
    mnl_attr_parse(message, sizeof(rtmsg), read_interface, into);
  }
  return MNL_CB_OK;
}

}  // namespace

void Routes::Close::operator()(mnl_socket* socket) const {
  mnl_socket_close(socket);
}

Result<Routes> Routes::open() {
  Routes routes(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
  if (routes.socket_ == nullptr || mnl_socket_bind(routes.socket_.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
    return tl::unexpected(Failure{"open", "a socket for routes", errno, "rtnetlink"});
  }
  return routes;
}

std::optional<std::uint32_t> Routes::towards(const Address& address) {
  const auto known = known_.find(address);
  if (known != known_.end()) return known->second;
  if (known_.size() >= most) known_.clear();
  return known_[address] = ask(address);
}

std::optional<std::uint32_t> Routes::ask(const Address& address) {
  std::array<char, 8192> buffer{};
  nlmsghdr* request = mnl_nlmsg_put_header(buffer.data());
  request->nlmsg_type = RTM_GETROUTE;
  request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  request->nlmsg_seq = ++sequence_;
  auto* route = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(rtmsg)));
  route->rtm_family = address.family == Family::v4 ? AF_INET : AF_INET6;
  route->rtm_dst_len = static_cast<unsigned char>(bits_of(address.family));
  const std::vector<std::byte> bytes = to_bytes(address);
  mnl_attr_put(request, RTA_DST, bytes.size(), bytes.data());
  if (mnl_socket_sendto(socket_.get(), request, request->nlmsg_len) < 0) return std::nullopt;
  std::optional<std::uint32_t> interface;
  int status = MNL_CB_OK;
  while (status > MNL_CB_STOP) {
    const ssize_t got = mnl_socket_recvfrom(socket_.get(), buffer.data(), buffer.size());
    if (got <= 0) return std::nullopt;
    status = mnl_cb_run(buffer.data(), static_cast<std::size_t>(got), sequence_, mnl_socket_get_portid(socket_.get()),
                        read_route, &interface);
  }
  return status < 0 ? std::nullopt : interface;
}

}  // namespace drywall
