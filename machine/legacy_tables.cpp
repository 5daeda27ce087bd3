// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/legacy_tables.h"

#include <netinet/in.h>  // before the kernel's headers, which then leave out what it declares

#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace drywall {
namespace {

constexpr std::size_t most_table_bytes = 64U << 20U;
constexpr std::array<const char*, 5> hooks{"prerouting", "input", "forward", "output", "postrouting"};

/// What one family's kernel interface looks like: the two differ in the size of the address match alone.
struct TableInterface {
  int domain;
  int level;
  const char* family;
  const char* names;  // of the tables in use
  std::size_t entry_size;
  std::size_t target_offset;  // in an entry: where its u16 target_offset is
};
const std::array<TableInterface, 2> families{
    TableInterface{AF_INET, SOL_IP, "ip", "/proc/self/net/ip_tables_names", sizeof(ipt_entry),
                   offsetof(ipt_entry, target_offset)},
    TableInterface{AF_INET6, SOL_IPV6, "ip6", "/proc/self/net/ip6_tables_names", sizeof(ip6t_entry),
                   offsetof(ip6t_entry, target_offset)}};
static_assert(IPT_SO_GET_INFO == IP6T_SO_GET_INFO && IPT_SO_GET_ENTRIES == IP6T_SO_GET_ENTRIES);
static_assert(sizeof(ipt_getinfo) == sizeof(ip6t_getinfo));

struct RawTable {
  ipt_getinfo info{};
  std::vector<std::byte> entries;
};

std::optional<RawTable> read_table(int fd, const TableInterface& kernel, const std::string& name) {
  RawTable table;
  name.copy(table.info.name, sizeof table.info.name - 1);
  socklen_t size = sizeof table.info;
  if (getsockopt(fd, kernel.level, IPT_SO_GET_INFO, &table.info, &size) != 0) return std::nullopt;
  if (table.info.size > most_table_bytes) return std::nullopt;
  std::vector<std::byte> answer(sizeof(ipt_get_entries) + table.info.size);
  ipt_get_entries request{};
  name.copy(request.name, sizeof request.name - 1);
  request.size = table.info.size;
  std::memcpy(answer.data(), &request, sizeof request);
  size = static_cast<socklen_t>(answer.size());
  if (getsockopt(fd, kernel.level, IPT_SO_GET_ENTRIES, answer.data(), &size) != 0) return std::nullopt;
  table.entries.assign(answer.begin() + sizeof(ipt_get_entries), answer.end());
  return table;
}

std::uint16_t half_word(std::span<const std::byte> bytes, std::size_t offset) {
  std::uint16_t word = 0;
  if (offset + sizeof word <= bytes.size()) std::memcpy(&word, bytes.data() + offset, sizeof word);
  return word;
}

/// A target as it stands in an entry.
struct Target {
  std::string name;  // empty: a plain verdict, a jump or a return
  std::int32_t verdict = 0;
};

Target target_of(std::span<const std::byte> bytes) {
  Target target;
  xt_standard_target raw{};
  if (bytes.size() < sizeof(xt_entry_target)) return target;
  std::memcpy(&raw, bytes.data(), std::min(bytes.size(), sizeof raw));
  const char* const name = raw.target.u.user.name;
  target.name.assign(name, strnlen(name, sizeof raw.target.u.user.name));
  target.verdict = raw.verdict;
  return target;
}

/// Everything that a table's entries can do, and the names of its chains.
RuleChain digest(const RawTable& raw, const TableInterface& kernel) {
  constexpr std::int32_t drop = -NF_DROP - 1;
  RuleChain all;
  std::size_t at = 0;
  while (at + kernel.entry_size <= raw.entries.size()) {
    const std::span<const std::byte> entry = std::span(raw.entries).subspan(at);
    const std::size_t to_target = half_word(entry, kernel.target_offset);
    const std::size_t next = half_word(entry, kernel.target_offset + 2);
    if (next < kernel.entry_size || next > entry.size() || to_target > next) break;
    const Target target = target_of(entry.first(next).subspan(to_target));
    const bool is_policy = std::ranges::find(raw.info.underflow, at) != std::end(raw.info.underflow);
    if (target.name.empty() && target.verdict == drop && !is_policy) all.drops = true;
    if (target.name == "REJECT" || target.name == "NFQUEUE") all.drops = true;
    if (target.name == "ERROR" && to_target + sizeof(xt_error_target) <= next) {
      xt_error_target chain{};  // where a chain begins; the last one is the table's end
      std::memcpy(&chain, entry.data() + to_target, sizeof chain);
      all.calls.emplace(chain.errorname, strnlen(chain.errorname, sizeof chain.errorname));
    }
    at += next;
  }
  all.calls.erase("ERROR");
  return all;
}

bool policy_drops(const RawTable& raw, const TableInterface& kernel, std::size_t hook) {
  constexpr std::int32_t drop = -NF_DROP - 1;
  const std::size_t at = raw.info.underflow[hook];
  if (at + kernel.entry_size > raw.entries.size()) return false;
  const auto entry = std::span(raw.entries).subspan(at);
  const std::size_t to_target = half_word(entry, kernel.target_offset);
  if (to_target > entry.size()) return false;
  const Target target = target_of(entry.subspan(to_target));
  return target.name.empty() && target.verdict == drop;
}

std::int32_t priority_of(const std::string& table, std::size_t hook) {
  if (table == "raw") return -300;
  if (table == "mangle") return -150;
  if (table == "security") return 50;
  if (table == "nat") return hook == NF_INET_PRE_ROUTING || hook == NF_INET_LOCAL_OUT ? -100 : 100;
  return 0;
}

void add_table(const RawTable& raw, const TableInterface& kernel, std::vector<RuleChain>& out) {
  const RuleChain all = digest(raw, kernel);
  const auto built_in = static_cast<unsigned>(__builtin_popcount(raw.info.valid_hooks));
  std::vector<RuleChain> chains;
  bool drops = false;
  for (std::size_t hook = 0; hook < hooks.size(); ++hook) {
    if ((raw.info.valid_hooks & (1U << hook)) == 0) continue;
    RuleChain chain = all;
    chain.table = {kernel.family, raw.info.name, Backend::legacy};
    chain.name = hooks[hook];
    std::ranges::transform(chain.name, chain.name.begin(), [](char c) { return static_cast<char>(c - 'a' + 'A'); });
    chain.hook = ChainHook{std::string_view(raw.info.name) == "nat" ? "nat" : "filter", hooks[hook],
                           priority_of(raw.info.name, hook), policy_drops(raw, kernel, hook)};
    drops |= chain.hook->drops;
    chains.push_back(std::move(chain));
  }
  if (raw.info.num_entries <= built_in + 1 && !drops) return;  // nothing but the policies and the table's end
  for (const std::string& name : all.calls) {
    chains.push_back({{kernel.family, raw.info.name, Backend::legacy}, name, std::nullopt, false, {}, {}});
  }
  out.insert(out.end(), chains.begin(), chains.end());
}

}  // namespace

std::vector<RuleChain> read_legacy_tables() {
  std::vector<RuleChain> out;
  for (const TableInterface& kernel : families) {
    std::ifstream names(kernel.names);
    std::string name;
    const int fd = socket(kernel.domain, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    if (fd < 0) continue;
    while (names >> name) {
      if (const auto table = read_table(fd, kernel, name)) add_table(*table, kernel, out);
    }
    close(fd);
  }
  return out;
}

}  // namespace drywall
