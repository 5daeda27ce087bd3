// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/socket_owners.h"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>

namespace drywall {
namespace {

namespace fs = std::filesystem;

template <class Number>
std::optional<Number> whole_number(std::string_view text) {
  Number number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return number;
}

/// The inode in `socket:[12345]`.
std::optional<std::uint64_t> inode_of(std::string_view link) {
  constexpr std::string_view start = "socket:[";
  if (!link.starts_with(start) || !link.ends_with(']')) return std::nullopt;
  return whole_number<std::uint64_t>(link.substr(start.size(), link.size() - start.size() - 1));
}

void add_sockets(const fs::path& directory, const Process& process, std::map<std::uint64_t, Process>& owners) {
  std::error_code error;
  for (fs::directory_iterator entry(directory / "fd", error), end; !error && entry != end; entry.increment(error)) {
    std::error_code gone;
    const auto inode = inode_of(fs::read_symlink(entry->path(), gone).string());
    if (!inode) continue;
    const auto [owner, is_new] = owners.emplace(*inode, process);
    if (!is_new && process.id < owner->second.id) owner->second = process;
  }
}

}  // namespace

std::map<std::uint64_t, Process> read_socket_owners() {
  std::map<std::uint64_t, Process> owners;
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    const auto id = whole_number<std::uint32_t>(entry->path().filename().string());
    if (!id) continue;
    Process process{*id, {}};
    std::ifstream comm(entry->path() / "comm");
    std::getline(comm, process.name);
    add_sockets(entry->path(), process, owners);
  }
  return owners;
}

}  // namespace drywall
