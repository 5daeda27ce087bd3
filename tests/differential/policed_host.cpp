// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/differential/policed_host.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <functional>
#include <stdexcept>

#include "render/lower.h"
#include "tests/differential/test_network.h"
#include "tests/render/kernel.h"

namespace drywall::test {
namespace {

constexpr std::uint16_t group = RenderOptions{}.nflog_group;
constexpr int own_mark = 0x77;  // of what the test sends from the host; whatever else the host sends is not heard
constexpr const char* marker_source = "198.18.0.1";

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

int open_socket(int domain, int type, int protocol) {
  const int fd = socket(domain, type | SOCK_CLOEXEC, protocol);
  if (fd < 0) fail("socket");
  return fd;
}

void write_setting(const std::string& name, const std::string& value) {
  std::ofstream("/proc/sys/net/" + name) << value;
}

std::string mac_text(std::size_t link) {
  return fmt::format("02:00:00:00:01:{:02x}", link);
}

std::string ip_command(const Address& address) {
  return address.family == Family::v4 ? "ip" : "ip -6";
}

/// There already with the address that the host has in it.
bool is_connected(const Route& route) {
  const auto link = std::ranges::find(links(), route.link, &Link::name);
  return std::ranges::any_of(link->addresses, [&](const Prefix& own) { return masked(own) == route.to; });
}

void set_up_links() {
  std::string commands = "ip link set lo up\n";
  for (std::size_t i = 0; i < links().size(); ++i) {
    const Link& link = links()[i];
    const bool is_bridge = std::ranges::find(links(), link.name, &Link::bridge) != links().end();
    commands += fmt::format("ip link add {0} address {1} type {2}; ip link set {0} addrgenmode none\n", link.name,
                            mac_text(i), is_bridge ? "bridge" : "veth peer name p-" + link.name);
    if (!link.bridge.empty()) commands += fmt::format("ip link set {} master {}\n", link.name, link.bridge);
    if (!is_bridge) commands += fmt::format("ip link set p-{0} addrgenmode none; ip link set p-{0} up\n", link.name);
    commands += fmt::format("ip link set {} up\n", link.name);
    for (const Prefix& own : link.addresses) {
      commands += fmt::format("{} addr add {} dev {} {}\n", ip_command(own.base), to_string(own), link.name,
                              own.base.family == Family::v6 ? "nodad" : "");
    }
  }
  for (const Route& route : routes()) {
    if (is_connected(route)) continue;
    const std::string via = route.gateway ? "via " + to_string(*route.gateway) : "";
    commands +=
        fmt::format("{} route add {} {} dev {}\n", ip_command(route.to.base), to_string(route.to), via, route.link);
  }
  run("set -e\n" + commands);
}

/// The host forwards, whatever the source, and lets nobody change its routes.
void write_settings() {
  for (const char* setting : {"ipv4/ip_forward", "ipv6/conf/all/forwarding"}) write_setting(setting, "1");
  std::vector<std::string> names{"all", "default"};
  for (const Link& link : links()) names.push_back(link.name);
  for (const std::string& name : names) {
    for (const char* setting : {"rp_filter", "accept_redirects", "send_redirects"}) {
      write_setting("ipv4/conf/" + name + "/" + setting, "0");
    }
    for (const char* setting : {"accept_ra", "accept_redirects"}) {
      write_setting("ipv6/conf/" + name + "/" + setting, "0");
    }
  }
  write_setting("netfilter/nf_conntrack_checksum", "0");
  for (const char* setting : {"iptables", "ip6tables"})
    write_setting(std::string("bridge/bridge-nf-call-") + setting, "0");
}

std::string translation_text(const Translation& rule) {
  const char* family = rule.address.family == Family::v4 ? "ip" : "ip6";
  const std::string to = rule.address.family == Family::v4 ? to_string(rule.to) : "[" + to_string(rule.to) + "]";
  return fmt::format("add rule inet test_nat {} {} daddr {} {} dport {} dnat {} to {}:{}\n",
                     rule.origin == Origin::host ? "output" : "prerouting", family, to_string(rule.address),
                     to_string(rule.protocol), rule.port, family, to, rule.to_port);
}

/// The end: made before anything uses connection tracking, whose own hooks of the same priority then run before it, so
/// that what is stopped here has become a known connection all the same. Then the rest.
void set_up_rules() {
  run_nft_file(fmt::format(
      "table inet test_end {{\n"
      "  chain delivered {{ type filter hook input priority 2147483647; log prefix \"delivered\" group {0} drop; }}\n"
      "  chain sent {{ type filter hook postrouting priority 2147483647; log prefix \"sent\" group {0}\n"
      "    oif lo accept; ip daddr 224.0.0.0/4 accept; ip6 daddr ff00::/8 accept; drop; }}\n"
      "}}\n",
      group));
  std::string text = fmt::format(
      "table inet test_begin {{\n"
      "  chain marker {{ type filter hook prerouting priority -450; iifname \"p-*\" drop\n"
      "    ip saddr {} log prefix \"marker\" group {} drop; }}\n"
      "  chain quiet {{ type filter hook output priority -450; meta mark != {} drop; }}\n"
      "  chain tracked {{ type filter hook prerouting priority 0; ct state invalid counter; }}\n"
      "}}\n"
      "table inet test_nat {{\n"
      "  chain prerouting {{ type nat hook prerouting priority -100; }}\n"
      "  chain output {{ type nat hook output priority -100; }}\n"
      "}}\n",
      marker_source, group, own_mark);
  for (const Translation& rule : translations()) text += translation_text(rule);
  run_nft_file(text);
}

/// One request to a subsystem of nfnetlink; its answer's error, 0 if there is none.
int request(int fd, unsigned subsystem, unsigned message, std::uint8_t family, std::uint16_t resource,
            const std::function<void(nlmsghdr*)>& fill) {
  alignas(nlmsghdr) std::array<char, 512> buffer{};
  nlmsghdr* header = mnl_nlmsg_put_header(buffer.data());
  header->nlmsg_type = static_cast<std::uint16_t>(subsystem << 8U | message);
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  auto* generic = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
  generic->nfgen_family = family;
  generic->version = NFNETLINK_V0;
  generic->res_id = htons(resource);
  fill(header);
  if (send(fd, header, header->nlmsg_len, 0) < 0) fail("send");
  alignas(nlmsghdr) std::array<char, 8192> answer{};
  if (recv(fd, answer.data(), answer.size(), 0) < 0) fail("recv");
  const auto* acknowledged = reinterpret_cast<const nlmsghdr*>(answer.data());
  if (acknowledged->nlmsg_type != NLMSG_ERROR) throw std::runtime_error("nfnetlink: no acknowledgement");
  return -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(acknowledged))->error;
}

void must(int error) {
  if (error != 0) throw std::runtime_error(std::string("nfnetlink: ") + std::strerror(error));
}

int open_log() {
  const int fd = open_socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
  const int room = 8 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  must(request(fd, NFNL_SUBSYS_ULOG, NFULNL_MSG_CONFIG, AF_UNSPEC, group, [](nlmsghdr* header) {
    const nfulnl_msg_config_cmd command{NFULNL_CFG_CMD_BIND};
    mnl_attr_put(header, NFULA_CFG_CMD, sizeof command, &command);
  }));
  must(request(fd, NFNL_SUBSYS_ULOG, NFULNL_MSG_CONFIG, AF_UNSPEC, group, [](nlmsghdr* header) {
    nfulnl_msg_config_mode mode{};
    mode.copy_mode = NFULNL_COPY_PACKET;
    mode.copy_range = htonl(128);
    mnl_attr_put(header, NFULA_CFG_MODE, sizeof mode, &mode);
    mnl_attr_put_u32(header, NFULA_CFG_QTHRESH, htonl(1));
  }));
  return fd;
}

int open_raw(int domain) {
  const int fd = open_socket(domain, SOCK_RAW, IPPROTO_RAW);  // the packet brings its own header
  if (setsockopt(fd, SOL_SOCKET, SO_MARK, &own_mark, sizeof own_mark) < 0) fail("SO_MARK");
  return fd;
}

/// Packets are queued by CPU: all of one go through the host one after the other, the marker last.
void stay_on_this_cpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(sched_getcpu(), &set);
  sched_setaffinity(0, sizeof set, &set);
}

/// An Ethernet frame to the host.
Octets frame(const Octets& ip_packet, std::size_t link) {
  const bool v4 = ip_packet.front() >> 4U == 4;
  Octets out{2, 0, 0, 0, 1, static_cast<std::uint8_t>(link), 2, 0, 0, 0, 0, 9};
  out.push_back(v4 ? 0x08 : 0x86);
  out.push_back(v4 ? 0x00 : 0xdd);
  out.insert(out.end(), ip_packet.begin(), ip_packet.end());
  return out;
}

/// Of the interface that has the hardware address: a bridge's ports take frames for the bridge.
std::size_t position(const std::string& link) {
  const auto found = std::ranges::find(links(), interface_of(link), &Link::name);
  if (found == links().end()) throw std::runtime_error("no link " + link);
  return static_cast<std::size_t>(found - links().begin());
}

/// The connection's first direction, as ctnetlink names it.
void put_tuple(nlmsghdr* header, const Packet& first) {
  const bool v4 = first.source.family == Family::v4;
  const auto put_address = [&](int attribute, const Address& address) {
    const std::vector<std::byte> bytes = to_bytes(address);
    mnl_attr_put(header, static_cast<std::uint16_t>(attribute), bytes.size(), bytes.data());
  };
  nlattr* tuple = mnl_attr_nest_start(header, CTA_TUPLE_ORIG);
  nlattr* ip = mnl_attr_nest_start(header, CTA_TUPLE_IP);
  put_address(v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, first.source);
  put_address(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, first.destination);
  mnl_attr_nest_end(header, ip);
  nlattr* proto = mnl_attr_nest_start(header, CTA_TUPLE_PROTO);
  mnl_attr_put_u8(header, CTA_PROTO_NUM, first.protocol.number);
  if (has_ports(first.protocol)) {
    mnl_attr_put_u16(header, CTA_PROTO_SRC_PORT, htons(first.source_port));
    mnl_attr_put_u16(header, CTA_PROTO_DST_PORT, htons(first.destination_port));
  } else if (first.protocol == protocol::icmp || first.protocol == protocol::icmpv6) {
    mnl_attr_put_u16(header, v4 ? CTA_PROTO_ICMP_ID : CTA_PROTO_ICMPV6_ID, htons(0x1234));
    mnl_attr_put_u8(header, v4 ? CTA_PROTO_ICMP_TYPE : CTA_PROTO_ICMPV6_TYPE, first.icmp_type);
    mnl_attr_put_u8(header, v4 ? CTA_PROTO_ICMP_CODE : CTA_PROTO_ICMPV6_CODE, first.icmp_code);
  }
  mnl_attr_nest_end(header, proto);
  mnl_attr_nest_end(header, tuple);
}

/// The prefix and the outgoing interface of one message of the log.
struct Heard {
  std::string_view prefix;
  unsigned out_interface = 0;
};

Heard heard_in(const nlmsghdr* message) {
  Heard heard;
  const auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(message));
  const auto* attribute = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, sizeof(nfgenmsg)));
  while (mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)))) {
    if (mnl_attr_get_type(attribute) == NFULA_PREFIX) heard.prefix = mnl_attr_get_str(attribute);
    if (mnl_attr_get_type(attribute) == NFULA_IFINDEX_OUTDEV) heard.out_interface = ntohl(mnl_attr_get_u32(attribute));
    attribute = mnl_attr_next(attribute);
  }
  return heard;
}

}  // namespace

PolicedHost::PolicedHost() {
  enter_own_network();
  set_up_links();
  set_up_rules();
  write_settings();
  stay_on_this_cpu();
  for (const Link& link : links()) {
    const int far_end = static_cast<int>(if_nametoindex(("p-" + link.name).c_str()));
    far_ends_[link.name] = far_end;
    if (!link.bridge.empty()) far_ends_[link.bridge] = far_end;
    links_by_index_[if_nametoindex(link.name.c_str())] = link.name;
  }
  links_by_index_[if_nametoindex("lo")] = "lo";
  log_ = open_log();
  conntrack_ = open_socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
  frames_ = open_socket(AF_PACKET, SOCK_RAW, 0);
  raw_v4_ = open_raw(AF_INET);
  raw_v6_ = open_raw(AF_INET6);
}

PolicedHost::~PolicedHost() {
  for (const int fd : {log_, conntrack_, frames_, raw_v4_, raw_v6_}) close(fd);
}

int PolicedHost::load(const Ruleset& ruleset, std::string& refused) {
  must(request(conntrack_, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, AF_UNSPEC, 0, [](nlmsghdr*) {}));
  return send_transaction(encode_replacement(ruleset, {}), refused);
}

Observed PolicedHost::see(const std::string& link, const std::vector<Octets>& ip_packets) {
  for (const Octets& ip_packet : ip_packets) {
    if (link.empty()) {
      send_out(ip_packet);
    } else {
      come_in(link, ip_packet);
    }
  }
  static const Octets marker = test::ip_packets(
      {{*parse_address(marker_source), *parse_address("203.0.113.1"), protocol::udp, 1, 1, 0, 0}}, 1)[0];
  come_in("eth0", marker);
  return hear();
}

void PolicedHost::come_in(const std::string& link, const Octets& ip_packet) {
  const Octets bytes = frame(ip_packet, position(link));
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = far_ends_.at(link);
  if (sendto(frames_, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to) < 0) fail("sendto");
}

/// A packet that a rule drops is EPERM for its sender: what became of it is told by the log.
void PolicedHost::send_out(const Octets& ip_packet) {
  ssize_t sent = 0;
  if (ip_packet.front() >> 4U == 4) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    std::memcpy(&to.sin_addr, ip_packet.data() + 16, 4);
    sent = sendto(raw_v4_, ip_packet.data(), ip_packet.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
  } else {
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    std::memcpy(&to.sin6_addr, ip_packet.data() + 24, 16);
    to.sin6_scope_id = if_nametoindex("eth0");  // of multicast only
    sent = sendto(raw_v6_, ip_packet.data(), ip_packet.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
  }
  if (sent < 0 && errno != EPERM) fail("sendto from the host");
}

Observed PolicedHost::hear() {
  Observed observed;
  for (;;) {
    pollfd waiting{log_, POLLIN, 0};
    if (poll(&waiting, 1, 5000) <= 0) throw std::runtime_error("the marker did not come through");
    alignas(nlmsghdr) std::array<char, 65536> buffer;
    const ssize_t size = recv(log_, buffer.data(), buffer.size(), 0);
    if (size < 0) fail("recv of the log");
    auto left = static_cast<int>(size);
    for (auto* message = reinterpret_cast<nlmsghdr*>(buffer.data()); mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left)) {
      const Heard heard = heard_in(message);
      if (heard.prefix == "marker") {
        if (observed.fate.empty()) observed.fate = "dropped";
        ++tally_[observed.fate];
        return observed;
      }
      if (heard.prefix == "delivered" || heard.prefix == "sent") {
        if (!observed.fate.empty()) observed.fate += ", ";
        observed.fate += heard.prefix;
        if (heard.prefix == "sent") observed.fate += " by " + links_by_index_.at(heard.out_interface);
        continue;
      }
      const auto logged =
          decode_nflog(std::as_bytes(std::span(reinterpret_cast<const char*>(message), message->nlmsg_len)), {});
      if (!logged) throw std::runtime_error(fmt::format("a log that cannot be read: {}", heard.prefix));
      observed.logs.push_back(*logged);
      ++tally_[to_string(logged->tag).substr(3, 4)];
    }
  }
}

void PolicedHost::forget(const Packet& first) {
  const bool v4 = first.source.family == Family::v4;
  const int error = request(conntrack_, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, v4 ? AF_INET : AF_INET6, 0,
                            [&](nlmsghdr* header) { put_tuple(header, first); });
  if (error != ENOENT) must(error);
}

std::string_view PolicedHost::link_name(unsigned index) const {
  const auto found = links_by_index_.find(index);
  return found == links_by_index_.end() ? std::string_view() : found->second;
}

PolicedHost& the_policed_host() {
  static PolicedHost only;
  return only;
}

}  // namespace drywall::test
