// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "policy/net.h"

// The rules of nf_tables and of iptables, whoever wrote them, as far as they matter to a neighbour.

namespace drywall {

/// A rule that gives packets another destination.
struct Translation {
  Address to;
  std::optional<std::uint16_t> to_port;        // nothing: the port stays
  std::optional<Protocol> protocol;            // of the packets that it is for; nothing: not told, or not understood
  std::optional<std::uint16_t> original_port;  // likewise
  auto operator<=>(const Translation&) const = default;
};

enum class Backend : std::uint8_t { nf_tables, legacy };

struct TableName {
  std::string family;  // ip, ip6, inet, netdev, ...
  std::string table;
  Backend backend = Backend::nf_tables;
  auto operator<=>(const TableName&) const = default;
};

/// Where a base chain is called.
struct ChainHook {
  std::string type;  // filter, nat, route
  std::string hook;  // ingress, prerouting, input, forward, output, postrouting
  std::int32_t priority = 0;
  bool drops = false;  // its policy
  bool operator==(const ChainHook&) const = default;
};

/// One chain and what its own rules do.
struct RuleChain {
  TableName table;
  std::string name;
  std::optional<ChainHook> hook;  // nothing: not a base chain
  bool drops = false;             // a rule drops, rejects or hands over to a program (queue)
  std::set<std::string> calls;    // chains of the same table that rules jump or go to
  std::vector<Translation> translations;
  bool operator==(const RuleChain&) const = default;
};

/// A base chain with everything that can happen to a packet behind it.
struct BaseChain {
  TableName table;
  std::string name;
  ChainHook hook;
  bool drops = false;                     // a rule in it, or in a chain that it reaches
  std::set<std::string> chains;           // that it reaches, itself among them
  std::vector<Translation> translations;  // sorted
  bool operator==(const BaseChain&) const = default;
};

/// The base chains in the order in which a packet meets them: by hook, then priority; family and table if these agree.
[[nodiscard]] std::vector<BaseChain> base_chains(const std::vector<RuleChain>& chains);

/// Our own tables are `ip drywall` and `ip6 drywall`.
[[nodiscard]] bool is_ours(const TableName& table);

/// `inet firewalld`; `ip nat (iptables-legacy)`.
[[nodiscard]] std::string to_string(const TableName& table);

}  // namespace drywall
