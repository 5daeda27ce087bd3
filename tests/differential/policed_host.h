// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "flow/logged_packet.h"
#include "tests/differential/crafted_packet.h"
#include "tests/render/kernel.h"

namespace drywall::test {

/// A host in a network namespace of its own, with one uplink and two workloads; each interface's other end is in the
/// same namespace, so a frame put there arrives as from the wire.
class PolicedHost {
 public:
  static constexpr std::uint16_t group = 4242;

  PolicedHost() {
    enter_own_network();
    run("ip link set lo up");
    for (const char* interface : {"eth0", "cali1", "cali2"}) add_interface(interface);
    run("ip addr add 203.0.113.1/24 dev eth0; ip addr add fd99::1/64 dev eth0 nodad");
    run("ip route add default via 203.0.113.2 dev eth0; ip -6 route add default via fd99::2 dev eth0");
    run("ip neigh add 203.0.113.2 lladdr 02:00:00:00:00:09 dev eth0; ip neigh add fd99::2 lladdr 02:00:00:00:00:09 dev "
        "eth0");
    for (const char* number : {"1", "2"}) {
      for (const std::string& address : {std::string("10.0.0.") + number, std::string("fd00::") + number}) {
        run("ip route add " + address + " dev cali" + number);
        run("ip neigh add " + address + " lladdr 02:00:00:00:00:09 dev cali" + number);
      }
    }
    for (const char* setting : {"ipv4/ip_forward", "ipv6/conf/all/forwarding"}) write_setting(setting, "1");
    for (const char* interface : {"all", "default", "eth0", "cali1", "cali2"}) {
      write_setting(std::string("ipv4/conf/") + interface + "/rp_filter", "0");
    }
    open_log();
    conntrack_ = netlink();
    packets_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (packets_ < 0) throw std::runtime_error("AF_PACKET: " + std::string(std::strerror(errno)));
  }

  /// Transport checksums of crafted packets are not looked at; possible once connection tracking is in use.
  static void ignore_checksums() { write_setting("netfilter/nf_conntrack_checksum", "0"); }

  /// Lets a packet come in by `interface` and returns what was logged for it, in order. `at_least` are awaited.
  std::vector<RuleTag> inject(const std::string& interface, const Packet& packet, std::size_t at_least) {
    forget_connections();
    drain(packet, 0, 0);
    const Octets bytes = frame(packet, hardware_address(interface));
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(if_nametoindex(("p-" + interface).c_str()));
    if (sendto(packets_, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to) < 0) {
      throw std::runtime_error("sendto: " + std::string(std::strerror(errno)));
    }
    return drain(packet, at_least, 200);
  }

 private:
  static void write_setting(const std::string& name, const std::string& value) {
    std::ofstream("/proc/sys/net/" + name) << value;
  }

  static void add_interface(const std::string& name) {
    run("ip link add " + name + " type veth peer name p-" + name);
    run("ip link set p-" + name + " up; ip link set " + name + " up");
    run("ip link set " + name + " addrgenmode none; ip link set p-" + name + " addrgenmode none");
  }

  std::array<std::uint8_t, 6> hardware_address(const std::string& interface) {
    auto& known = addresses_[interface];
    if (known == std::array<std::uint8_t, 6>{}) {
      // sysfs shows the interfaces of the namespace it was mounted in: ask `ip` for ours.
      const std::string text = run("ip -o link show " + interface + " | grep -o 'link/ether [^ ]*' | cut -d' ' -f2");
      for (std::size_t i = 0; i < 6; ++i)
        known[i] = static_cast<std::uint8_t>(std::stoul(text.substr(i * 3, 2), nullptr, 16));
    }
    return known;
  }

  static int netlink() {
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fd < 0) throw std::runtime_error("netlink: " + std::string(std::strerror(errno)));
    return fd;
  }

  /// One request to a subsystem and its acknowledgement.
  template <class Fill>
  static void request(int fd, unsigned subsystem, unsigned message, std::uint16_t resource, Fill fill) {
    std::array<char, 512> buffer{};
    nlmsghdr* header = mnl_nlmsg_put_header(buffer.data());
    header->nlmsg_type = static_cast<std::uint16_t>(subsystem << 8U | message);
    header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    auto* generic = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
    generic->nfgen_family = AF_UNSPEC;
    generic->version = NFNETLINK_V0;
    generic->res_id = htons(resource);
    fill(header);
    if (send(fd, header, header->nlmsg_len, 0) < 0)
      throw std::runtime_error("send: " + std::string(std::strerror(errno)));
    std::array<char, 8192> answer{};
    if (recv(fd, answer.data(), answer.size(), 0) < 0)
      throw std::runtime_error("recv: " + std::string(std::strerror(errno)));
    const auto* acknowledged = reinterpret_cast<const nlmsghdr*>(answer.data());
    const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(acknowledged));
    if (acknowledged->nlmsg_type != NLMSG_ERROR || error->error != 0) throw std::runtime_error("refused by nfnetlink");
  }

  void open_log() {
    log_ = netlink();
    request(log_, NFNL_SUBSYS_ULOG, NFULNL_MSG_CONFIG, group, [](nlmsghdr* header) {
      const nfulnl_msg_config_cmd command{NFULNL_CFG_CMD_BIND};
      mnl_attr_put(header, NFULA_CFG_CMD, sizeof command, &command);
    });
    request(log_, NFNL_SUBSYS_ULOG, NFULNL_MSG_CONFIG, group, [](nlmsghdr* header) {
      nfulnl_msg_config_mode mode{};
      mode.copy_mode = NFULNL_COPY_PACKET;
      mode.copy_range = htonl(128);
      mnl_attr_put(header, NFULA_CFG_MODE, sizeof mode, &mode);
      mnl_attr_put_u32(header, NFULA_CFG_QTHRESH, htonl(1));
    });
  }

  void forget_connections() {
    request(conntrack_, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, 0, [](nlmsghdr*) {});
  }

  std::vector<RuleTag> drain(const Packet& packet, std::size_t at_least, int patience_ms) {
    std::vector<RuleTag> tags;
    for (;;) {
      pollfd waiting{log_, POLLIN, 0};
      if (poll(&waiting, 1, tags.size() < at_least ? patience_ms : 0) <= 0) return tags;
      alignas(nlmsghdr) std::array<char, 65536> buffer;
      const ssize_t size = recv(log_, buffer.data(), buffer.size(), 0);
      if (size <= 0) continue;
      auto left = static_cast<int>(size);
      for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); mnl_nlmsg_ok(header, left);
           header = mnl_nlmsg_next(header, &left)) {
        const auto logged =
            decode_nflog(std::as_bytes(std::span(reinterpret_cast<const char*>(header), header->nlmsg_len)), {});
        if (logged && logged->headers.packet == packet) tags.push_back(logged->tag);  // not of an answer to it
      }
    }
  }

  int log_ = -1;
  int conntrack_ = -1;
  int packets_ = -1;
  std::map<std::string, std::array<std::uint8_t, 6>> addresses_;
};

}  // namespace drywall::test
