// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "policy/diagnostic.h"
#include "render/change.h"
#include "render/ruleset.h"

namespace drywall {

/// What one message of a transaction is about, to explain a refusal.
struct MessageOrigin {
  std::string object;  // "ip drywall chain dw1eniA..."
  SourceLocation at;   // no file: no rule of the user's
  Family family = Family::v4;
  std::string name;  // of the chain, map or set; empty if it is about none
  bool operator==(const MessageOrigin&) const = default;
};

/// One nf_tables batch, BATCH_BEGIN to BATCH_END, to be sent by one sendmsg(2) on a NETLINK_NETFILTER socket. The
/// kernel does all of it or nothing. Message i (the BEGIN is 0) carries sequence number first_sequence + i; only the
/// last, the BATCH_END, asks for an acknowledgement (kernels before 6.10 acknowledge nothing there: `acks_end` false
/// makes the last message before it ask instead).
struct Transaction {
  std::vector<std::byte> bytes;
  std::uint32_t first_sequence = 1;
  std::vector<MessageOrigin> origins;  // by message
};

/// Who may change our tables, as the kernel has it from 6.9 on (enum nft_table_flags).
enum class TableOwner : std::uint8_t {
  anybody,  // no flags
  sender,   // owner and persist: only the socket that sends the batch, until it closes; then anybody
};
inline constexpr std::uint32_t owner_flag = 2, persist_flag = 4;  // older headers do not have them
[[nodiscard]] constexpr std::uint32_t flags_of(TableOwner owner) {
  return owner == TableOwner::sender ? owner_flag | persist_flag : 0;
}

struct EncodeOptions {
  std::uint32_t first_sequence = 1;
  bool acks_end = true;
  std::string generation;                               // kept as the comment of a set in both tables
  TableOwner owner = TableOwner::anybody;               // of tables that are made
  std::array<TableOwner, both_families.size()> held{};  // by family, of tables that are replaced; persisting: sender
};

/// Makes `after` of what the kernel holds of ours, which is `before`, and touches nothing that both have alike.
[[nodiscard]] Transaction encode_change(const Ruleset& before, const Ruleset& after, const EncodeOptions& options);

/// Puts `ruleset` in the place of whatever our tables held, both families in one transaction; no tables: removes ours.
[[nodiscard]] Transaction encode_replacement(const Ruleset& ruleset, const EncodeOptions& options);

/// Makes the sender the owner of tables that persist and whose owner is gone, and changes nothing else.
[[nodiscard]] Transaction encode_adoption(const std::vector<Family>& tables, const EncodeOptions& options);

}  // namespace drywall
