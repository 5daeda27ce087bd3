// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/caller.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "cli/worlds.h"
#include "directory/edit_record.h"
#include "machine/sockets.h"

namespace drywall::cli {
namespace {

namespace fs = std::filesystem;
using std::chrono::microseconds;

constexpr int most_ancestors = 100;
constexpr std::uint16_t ssh_port = 22;  // where there is no sshd to ask

/// What /proc/PID/stat says of a process.
struct Process {
  int pid = 0;
  int parent = 0;
  std::string name;
  microseconds began{};  // since boot
};

std::optional<Process> process(int pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');  // a name may hold anything
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  Process found{pid, 0, text.substr(open + 1, close - open - 1), {}};
  std::istringstream rest(text.substr(close + 1));
  constexpr int fields_between = 17;  // from ppid to starttime
  std::string skipped;
  std::uint64_t ticks = 0;
  rest >> skipped >> found.parent;
  for (int i = 0; i < fields_between; ++i) rest >> skipped;
  if (!(rest >> ticks)) return std::nullopt;
  found.began = microseconds(static_cast<std::int64_t>(ticks) * 1'000'000 / sysconf(_SC_CLK_TCK));
  return found;
}

/// sshd, sshd-session, sshd-auth.
bool is_sshd(const Process& process) {
  return process.name.starts_with("sshd");
}

std::set<std::uint32_t> socket_inodes(int pid) {
  std::set<std::uint32_t> inodes;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fmt::format("/proc/{}/fd", pid), error)) {
    const std::string target = fs::read_symlink(entry.path(), error).string();
    constexpr std::string_view prefix = "socket:[";
    if (target.starts_with(prefix)) {
      inodes.insert(static_cast<std::uint32_t>(std::strtoul(target.c_str() + prefix.size(), nullptr, 10)));
    }
  }
  return inodes;
}

std::vector<Socket> tcp_sockets() {
  Result<SocketDump> dump = read_sockets();
  if (!dump) return {};
  std::erase_if(dump->sockets, [](const Socket& socket) { return socket.protocol != protocol::tcp; });
  return std::move(dump->sockets);
}

ConnectionHere connection_of(const Socket& socket) {
  return {socket.local, socket.remote, socket.local_port, socket.remote_port};
}

std::optional<ConnectionHere> established(const std::vector<Socket>& sockets, const std::set<std::uint32_t>& inodes) {
  const auto found = std::ranges::find_if(sockets, [&](const Socket& socket) {
    return socket.state == SocketState::established && inodes.contains(socket.inode);
  });
  return found == sockets.end() ? std::nullopt : std::optional(connection_of(*found));
}

std::vector<Process> all_sshd() {
  std::vector<Process> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    int pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ptr != name.data() + name.size()) continue;
    if (auto one = process(pid); one && is_sshd(*one)) found.push_back(std::move(*one));
  }
  return found;
}

/// The address that this host has for the other.
std::optional<Address> address_towards(const Address& there) {
  const bool is_v4 = there.family == Family::v4;
  const int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::nullopt;
  const Descriptor owner(fd);
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const std::string text = to_string(there);
  if (is_v4) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(address);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(ssh_port);
    if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) != 1) return std::nullopt;
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(address);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(ssh_port);
    if (inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) != 1) return std::nullopt;
  }
  // Of a datagram socket nothing is sent: only a route is looked up.
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), is_v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6)) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return std::nullopt;
  }
  char out[INET6_ADDRSTRLEN]{};
  const void* const bytes = is_v4 ? static_cast<void*>(&reinterpret_cast<sockaddr_in&>(address).sin_addr)
                                  : static_cast<void*>(&reinterpret_cast<sockaddr_in6&>(address).sin6_addr);
  if (inet_ntop(is_v4 ? AF_INET : AF_INET6, bytes, out, sizeof out) == nullptr) return std::nullopt;
  return parse_address(out);
}

std::set<std::uint16_t> sshd_ports(const std::vector<Socket>& sockets) {
  std::set<std::uint32_t> inodes;
  for (const Process& sshd : all_sshd()) inodes.merge(socket_inodes(sshd.pid));
  std::set<std::uint16_t> ports;
  for (const Socket& socket : sockets) {
    if (socket.state == SocketState::listening && inodes.contains(socket.inode)) ports.insert(socket.local_port);
  }
  if (ports.empty()) ports.insert(ssh_port);
  return ports;
}

std::string interface_of(const Host& host, const Address& address) {
  const auto found = std::ranges::find_if(host.interfaces, [&](const Interface& interface) {
    return std::ranges::find(interface.addresses, address) != interface.addresses.end();
  });
  return found == host.interfaces.end() ? std::string{} : found->name;
}

}  // namespace

Caller find_caller(Daemon* daemon, int pid) {
  if (pid == 0) pid = getpid();
  const std::vector<Socket> sockets = tcp_sockets();
  std::optional<Process> here = process(pid);
  for (int i = 0; i < most_ancestors && here && here->parent > 0; ++i) {
    here = process(here->parent);
    if (!here || !is_sshd(*here)) continue;
    if (const auto connection = established(sockets, socket_inodes(here->pid))) {
      return {connection, {}, here->began, fmt::format("the SSH connection {}", to_string(*connection))};
    }
  }
  const std::optional<LoginSession> session = daemon == nullptr ? std::nullopt : daemon->login_session(pid);
  if (!session) return {{}, {}, {}, "no SSH connection and no login session"};
  const auto host = parse_address(session->remote_host);
  return {{},
          host ? std::optional(*host) : std::nullopt,
          session->began,
          session->remote_host.empty() ? "a login session at this host"
                                       : fmt::format("a login session from {}", session->remote_host)};
}

std::map<std::string, std::string> caller_fields(const Caller& caller) {
  if (!caller.connection) return {};
  const ConnectionHere& connection = *caller.connection;
  return {{"protocol", "tcp"},
          {"here", to_string(connection.here)},
          {"port_here", fmt::format("{}", connection.port_here)},
          {"there", to_string(connection.there)},
          {"port_there", fmt::format("{}", connection.port_there)}};
}

std::vector<ConnectionHere> connections_to_keep(const Caller& caller) {
  if (caller.connection) return {*caller.connection};
  const std::vector<Socket> sockets = tcp_sockets();
  std::set<ConnectionHere> keep;
  if (caller.remote_host) {
    constexpr std::uint16_t any_port = 40000;
    const auto here = address_towards(*caller.remote_host);
    for (const std::uint16_t port : here ? sshd_ports(sockets) : std::set<std::uint16_t>{}) {
      keep.insert({*here, *caller.remote_host, port, any_port});
    }
    return {keep.begin(), keep.end()};
  }
  const std::set<std::uint16_t> ports = sshd_ports(sockets);
  for (const Socket& socket : sockets) {
    if (socket.state == SocketState::established && ports.contains(socket.local_port)) {
      keep.insert(connection_of(socket));
    }
  }
  return {keep.begin(), keep.end()};
}

std::vector<ConnectionHere> cut_off(const Inventory& inventory, const Host& host,
                                    const std::vector<ConnectionHere>& connections) {
  if (connections.empty()) return {};
  std::vector<LocalAddress> local;
  for (const Interface& interface : host.interfaces) {
    for (const Address& address : interface.addresses) local.push_back({address, interface.name});
  }
  AskedWorld world(inventory, host, World::enforced, local);
  std::vector<ConnectionHere> cut;
  for (const ConnectionHere& connection : connections) {
    Passage passage;
    passage.packet.source = connection.there;
    passage.packet.destination = connection.here;
    passage.packet.protocol = protocol::tcp;
    passage.packet.source_port = connection.port_there;
    passage.packet.destination_port = connection.port_here;
    passage.in_interface = interface_of(host, connection.here);
    if (!Fate{world.judge(passage)}.allowed()) cut.push_back(connection);
  }
  return cut;
}

std::string to_string(const ConnectionHere& connection) {
  return fmt::format("from {} to {} port {}", to_string(connection.there), to_string(connection.here),
                     connection.port_here);
}

}  // namespace drywall::cli
