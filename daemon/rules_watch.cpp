// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/rules_watch.h"

#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <array>
#include <utility>

#include "machine/netlink_message.h"
#include "render/ruleset.h"

namespace drywall {
namespace {

constexpr int event_buffer = 8 << 20;
constexpr int most_reads = 4096;  // in one go

/// Lets through all datagrams but those of our own changes: a datagram's messages are all of one change, and each
/// carries the port of who made it. So that our own large transactions cannot fill the buffer.
bool leave_out(int fd, std::uint32_t own_port) {
  std::array<sock_filter, 4> program{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(nlmsghdr, nlmsg_pid)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htobe32(own_port), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffffU),
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0;
}

/// The name of the table comes first in the attributes of every kind of object.
bool is_about_our_tables(const Message& message) {
  if (message.payload.size() < sizeof(nfgenmsg)) return false;
  const auto family = std::to_integer<std::uint8_t>(message.payload[0]);
  if (family != NFPROTO_IPV4 && family != NFPROTO_IPV6) return false;
  bool ours = false;
  for_each_attribute(message.attributes(), [&](int type, Attribute value) {
    if (type == NFTA_TABLE_NAME) ours = text_of(value) == table_name;
  });
  return ours;
}

std::string who_did(const Message& new_generation) {
  std::string_view name;
  std::uint32_t process = 0;
  for_each_attribute(new_generation.attributes(), [&](int type, Attribute value) {
    if (type == NFTA_GEN_PROC_NAME) name = text_of(value);
    if (type == NFTA_GEN_PROC_PID && value.size() == sizeof process)
      std::memcpy(&process, value.data(), sizeof process);
  });
  return name.empty() ? std::string() : fmt::format("{} (process {})", name, be32toh(process));
}

}  // namespace

Result<RulesWatch> RulesWatch::open(std::uint32_t own_port) {
  Descriptor fd(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_NETFILTER));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  const int group = NFNLGRP_NFTABLES;
  if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      !leave_out(fd.get(), own_port) ||
      setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
    return tl::unexpected(Failure{"watch", "nf_tables", errno, {}});
  }
  if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &event_buffer, sizeof event_buffer) != 0) {
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &event_buffer, sizeof event_buffer);
  }
  return RulesWatch(std::move(fd));
}

RulesWatch::Seen RulesWatch::drain() {
  Seen seen;
  for (int i = 0; i < most_reads; ++i) {
    const Result<Received> received = receive(fd_.get(), [&](const Message& message) {
      if (message.header.nlmsg_type == nft_type(NFT_MSG_NEWGEN)) {
        if (std::exchange(open_change_, false)) {
          seen.changed = true;
          seen.by = who_did(message);
        }
      } else if (is_about_our_tables(message)) {
        open_change_ = true;
      }
    });
    if (!received || *received == Received::nothing) {
      // The kernel tells of a loss once, and goes on losing until its queue is empty.
      seen.lost = std::exchange(overrun_, false);
      break;
    }
    overrun_ |= *received == Received::overrun;
  }
  return seen;
}

}  // namespace drywall
