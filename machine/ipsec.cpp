// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/ipsec.h"

#include <libmnl/libmnl.h>
#include <linux/xfrm.h>

#include <array>
#include <cerrno>
#include <memory>

namespace drywall {
namespace {

/// What of a policy matters.
struct PolicyAttributes {
  bool has_interface = false;
  bool is_tunnel = false;
};

int read_attribute(const nlattr* attribute, void* into) {
  auto& policy = *static_cast<PolicyAttributes*>(into);
  if (mnl_attr_get_type(attribute) == XFRMA_IF_ID && mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0) {
    policy.has_interface = mnl_attr_get_u32(attribute) != 0;
  }
  if (mnl_attr_get_type(attribute) == XFRMA_TMPL && mnl_attr_get_payload_len(attribute) >= sizeof(xfrm_user_tmpl)) {
    policy.is_tunnel = static_cast<const xfrm_user_tmpl*>(mnl_attr_get_payload(attribute))->mode == XFRM_MODE_TUNNEL;
  }
  return MNL_CB_OK;
}

int count(const nlmsghdr* message, void* into) {
  if (mnl_nlmsg_get_payload_len(message) < sizeof(xfrm_userpolicy_info)) return MNL_CB_OK;
  const auto* info = static_cast<const xfrm_userpolicy_info*>(mnl_nlmsg_get_payload(message));
  if (info->dir != XFRM_POLICY_IN && info->dir != XFRM_POLICY_FWD) return MNL_CB_OK;
  PolicyAttributes policy;
  mnl_attr_parse(message, sizeof *info, read_attribute, &policy);
  if (policy.is_tunnel && !policy.has_interface) ++*static_cast<std::size_t*>(into);
  return MNL_CB_OK;
}

using SocketPtr = std::unique_ptr<mnl_socket, int (*)(mnl_socket*)>;

}  // namespace

Result<std::size_t> count_ipsec_policies_without_interface() {
  const auto failed = [] { return tl::unexpected(Failure{"list", "IPsec policies", errno, {}}); };
  const SocketPtr socket(mnl_socket_open2(NETLINK_XFRM, SOCK_CLOEXEC), &mnl_socket_close);
  if (socket == nullptr && (errno == EPROTONOSUPPORT || errno == EAFNOSUPPORT)) return 0;  // a kernel without IPsec
  if (socket == nullptr || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) return failed();
  std::array<char, 64 * 1024> buffer;
  nlmsghdr* const request = mnl_nlmsg_put_header(buffer.data());
  request->nlmsg_type = XFRM_MSG_GETPOLICY;
  request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request->nlmsg_seq = 1;
  mnl_nlmsg_put_extra_header(request, sizeof(xfrm_userpolicy_id));
  if (mnl_socket_sendto(socket.get(), request, request->nlmsg_len) < 0) return failed();
  std::size_t policies = 0;
  int status = MNL_CB_OK;
  while (status > MNL_CB_STOP) {
    const ssize_t got = mnl_socket_recvfrom(socket.get(), buffer.data(), buffer.size());
    if (got < 0) return failed();
    status = mnl_cb_run(buffer.data(), static_cast<std::size_t>(got), 1, mnl_socket_get_portid(socket.get()), count,
                        &policies);
  }
  if (status < 0) return failed();
  return policies;
}

}  // namespace drywall
