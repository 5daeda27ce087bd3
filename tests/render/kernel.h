// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>

#include "render/encode.h"

// A real kernel for tests: a network namespace of this process's own, and the two roads into it.

namespace drywall::test {

/// Moves this process into a network namespace of its own, once; as an ordinary user into a user namespace too (where
/// nft cannot raise its send buffer, so large rulesets need root). Throws if the machine does not allow it.
inline void enter_own_network() {
  static const bool done = [] {
    const auto uid = getuid();
    const auto gid = getgid();
    const int flags = uid == 0 ? CLONE_NEWNET : CLONE_NEWNET | CLONE_NEWUSER;
    if (unshare(flags) != 0) throw std::runtime_error("unshare: " + std::string(std::strerror(errno)));
    if (uid != 0) {
      std::ofstream("/proc/self/setgroups") << "deny";
      std::ofstream("/proc/self/uid_map") << "0 " << uid << " 1";
      std::ofstream("/proc/self/gid_map") << "0 " << gid << " 1";
    }
    return true;
  }();
  (void)done;
}

/// Sends a transaction; 0 or the kernel's errno, with the object that it refused in `refused`.
inline int send_transaction(const Transaction& transaction, std::string& refused) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  const int room = 64 << 20;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  int error = 0;
  if (sendto(fd, transaction.bytes.data(), transaction.bytes.size(), 0, reinterpret_cast<sockaddr*>(&kernel),
             sizeof kernel) < 0) {
    error = errno;
    refused = "sendto";
  }
  bool acknowledged = error != 0;
  while (!acknowledged) {
    alignas(nlmsghdr) std::array<char, 65536> buffer;
    const ssize_t size = recv(fd, buffer.data(), buffer.size(), 0);
    if (size <= 0) break;
    auto left = static_cast<unsigned>(size);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type != NLMSG_ERROR) continue;
      const int code = -static_cast<nlmsgerr*>(NLMSG_DATA(header))->error;
      if (code != 0 && error == 0) {
        error = code;
        refused = transaction.origins.at(header->nlmsg_seq - transaction.first_sequence).object;
      }
      acknowledged = true;
    }
  }
  close(fd);
  return error;
}

/// A command's standard output and error; throws with them if it fails.
inline std::string run(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  std::string output;
  std::array<char, 65536> buffer;
  while (const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), pipe)) output.append(buffer.data(), size);
  if (pclose(pipe) != 0) throw std::runtime_error(command + ": " + output);
  return output;
}

inline std::string run_nft_file(const std::string& text) {
  const std::string path = "/tmp/drywall-test-" + std::to_string(getpid()) + ".nft";
  std::ofstream(path) << text;
  std::string output = run("nft -f " + path);
  unlink(path.c_str());
  return output;
}

}  // namespace drywall::test
