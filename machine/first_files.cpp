// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/first_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

namespace drywall {
namespace {

bool is_loopback(const Address& address) {
  static const Prefix v4 = *parse_prefix("127.0.0.0/8");
  static const Prefix v6 = *parse_prefix("::1/128");
  return masked({address, v4.length}) == v4 || (address.family == Family::v6 && address == v6.base);
}

bool is_dhcp_client(const Socket& socket) {
  return socket.protocol == protocol::udp && (socket.local_port == 68 || socket.local_port == 546);
}

bool is_open(const Socket& socket, std::uint16_t first_ephemeral) {
  if (socket.local_port == 0 || is_loopback(socket.local) || is_dhcp_client(socket)) return false;
  if (socket.protocol == protocol::tcp) return socket.state == SocketState::listening;
  return socket.protocol == protocol::udp && socket.state == SocketState::closed && socket.local_port < first_ephemeral;
}

std::optional<std::uint16_t> port_in(std::string_view text) {
  std::uint16_t port = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || stop != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

/// `role == 'host' && site == 'a'`
std::string selector_of(const Labels& labels) {
  std::string out;
  for (const auto& [key, value] : labels) out += fmt::format("{}{} == '{}'", out.empty() ? "" : " && ", key, value);
  return out;
}

std::string quoted_list(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += fmt::format("{}\"{}\"", out.empty() ? "" : ", ", word);
  return "[" + out + "]";
}

/// A process may be called anything: only what cannot end a comment.
std::string harmless(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e; }, '?');
  return text;
}

std::string rule_of(const OpenPort& port) {
  const std::string who = port.program.empty() ? "a program that could not be found" : harmless(port.program);
  return fmt::format("  - action: Allow # {}\n    protocol: {}\n    destination: {{ports: [{}]}}\n", who,
                     port.protocol == protocol::tcp ? "TCP" : "UDP", port.port);
}

}  // namespace

std::vector<OpenPort> open_ports(std::span<const Socket> sockets, const std::map<std::uint64_t, Process>& owners,
                                 std::uint16_t first_ephemeral) {
  std::map<std::pair<Protocol, std::uint16_t>, std::string> programs;
  for (const Socket& socket : sockets) {
    if (!is_open(socket, first_ephemeral)) continue;
    const auto owner = owners.find(socket.inode);
    std::string& program = programs[{socket.protocol, socket.local_port}];
    if (program.empty() && owner != owners.end()) program = owner->second.name;
  }
  std::vector<OpenPort> out;
  for (auto& [port, program] : programs) out.push_back({port.first, port.second, std::move(program)});
  return out;
}

std::vector<std::uint16_t> sshd_ports(std::string_view printed) {
  std::set<std::uint16_t> ports;
  std::set<std::uint16_t> listening;  // with addresses; these are the real ones if there are any
  while (!printed.empty()) {
    const std::string_view line = printed.substr(0, printed.find('\n'));
    printed.remove_prefix(std::min(printed.size(), line.size() + 1));
    const std::string_view value = line.substr(std::min(line.size(), line.find(' ') + 1));
    if (line.starts_with("port ")) {
      if (const auto port = port_in(value)) ports.insert(*port);
    } else if (line.starts_with("listenaddress ")) {
      if (const auto port = port_in(value.substr(value.rfind(':') + 1))) listening.insert(*port);
    }
  }
  const std::set<std::uint16_t>& real = listening.empty() ? ports : listening;
  return {real.begin(), real.end()};
}

std::vector<std::string> first_failsafe_inbound(const FirstChoices& choices) {
  std::vector<std::string> out;
  for (const std::uint16_t port : choices.ssh_ports) out.push_back(fmt::format("tcp:{}", port));
  out.insert(out.end(), {"udp:68", "udp:546"});
  return out;
}

std::vector<std::string> first_failsafe_outbound() {
  return {"udp:53", "tcp:53", "udp:67", "udp:547"};
}

std::string first_configuration(const FirstChoices& choices) {
  std::string labels;
  for (const auto& [key, value] : choices.labels) labels += fmt::format("  {}: \"{}\"\n", key, value);
  return fmt::format(
      "# Written by drywall init. Yours from now on: it is never written again. All keys: drywall.yaml(5).\n"
      "\n"
      "# A host endpoint of all interfaces. By itself it denies nothing; policies find it by these labels and "
      "os-release's.\n"
      "host_endpoint: auto\n"
      "labels:\n{}"
      "\n"
      "# What no policy can close: sshd, and answers to DHCP.\n"
      "failsafe_inbound: {}\n"
      "# DNS, and DHCP.\n"
      "failsafe_outbound: {}\n",
      labels, quoted_list(first_failsafe_inbound(choices)), quoted_list(first_failsafe_outbound()));
}

std::string first_policy(const FirstChoices& choices) {
  std::string rules;
  for (const OpenPort& port : choices.ports) rules += rule_of(port);
  return fmt::format(
      "# Written by drywall init. Yours from now on: it is never written again.\n"
      "#\n"
      "# Staged: it changes nothing, and records what it would deny. When `drywall flows --pending-action would-deny` "
      "shows\n"
      "# nothing that you need, and `drywall preview` says so too, promote it.\n"
      "apiVersion: projectcalico.org/v3\n"
      "kind: StagedGlobalNetworkPolicy\n"
      "metadata:\n"
      "  name: host-services\n"
      "spec:\n"
      "  order: 1000\n"
      "  selector: {}\n"
      "  types: [Ingress] # what the host sends is not judged\n"
      "  ingress:\n"
      "  - action: Allow\n"
      "    protocol: ICMP\n"
      "  - action: Allow\n"
      "    protocol: ICMPv6\n"
      "  # What waited for others when this was written. Close a port by removing its rule; see who uses it before.\n{}"
      "  # All else is denied: that is the end of the tier.\n",
      selector_of(choices.labels), rules);
}

}  // namespace drywall
