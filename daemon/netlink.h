// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "directory/descriptor.h"
#include "policy/net.h"
#include "policy/result.h"
#include "policy/rule_tag.h"
#include "render/encode.h"

namespace drywall {

/// What a leaf has counted since it was loaded.
struct RuleCount {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  bool operator==(const RuleCount&) const = default;
};
using RuleCounts = std::map<RuleTag, RuleCount>;

/// All that the kernel has counted since our tables were loaded.
struct KernelCounts {
  RuleCounts rules;
  std::uint64_t limited = 0;  // hits that were not logged: over their flow's rate
  std::uint64_t full = 0;     // likewise: too many flows
  std::uint64_t loaded = 0;   // rules of our tables
  bool operator==(const KernelCounts&) const = default;
};

/// The comments of the sets that say which generation `ip drywall` and `ip6 drywall` are; nothing: there is no such
/// table; empty: there is no such set, or it has no comment.
struct TableComments {
  std::optional<std::string> v4;
  std::optional<std::string> v6;
  bool operator==(const TableComments&) const = default;
};

/// The flags of `ip drywall` and `ip6 drywall`, by family; nothing: there is no such table.
using TableFlags = std::array<std::optional<std::uint32_t>, both_families.size()>;

/// The kernel took nothing of a transaction.
struct Refusal {
  Failure failure;       // the object is the origin's; `detail` is the kernel's own words, if it had any
  MessageOrigin origin;  // what it refused; empty if that is not known
  bool operator==(const Refusal&) const = default;
};

/// Talks to nf_tables through one NETLINK_NETFILTER socket. Calls return when the kernel has answered; nf_tables
/// answers within the system call.
class NftSocket {
 public:
  /// Opens the socket and asks once what the kernel knows: see acks_end(), offers_owner().
  ///   errors  EPERM: CAP_NET_ADMIN is missing
  [[nodiscard]] static Result<NftSocket> open();

  /// Whether the kernel acknowledges the end of a batch (6.10 and later).
  [[nodiscard]] bool acks_end() const { return acks_end_; }
  /// Whether the kernel knows tables that are one socket's alone and stay when it closes (6.9 and later).
  [[nodiscard]] bool offers_owner() const { return offers_owner_; }
  /// This socket's address: nf_tables' events say by it who made a change.
  [[nodiscard]] std::uint32_t port() const;
  /// A sequence number that no earlier message of this socket had.
  [[nodiscard]] std::uint32_t next_sequence() const { return sequence_; }

  /// All of it or nothing.
  ///   transaction  made with this socket's acks_end() and next_sequence()
  ///   expected     the comments that our tables have if it succeeded: tells whether it did when the answer was lost
  [[nodiscard]] tl::expected<void, Refusal> apply(const Transaction& transaction, const TableComments& expected);

  /// The first counter of each chain of our tables that has a rule tag for its name, and those of what was not logged.
  [[nodiscard]] Result<KernelCounts> read_counts();
  /// The same but for `loaded`, of tables that hold `ruleset`: if they are big, chain by chain. A dump of a whole table
  /// begins anew at its first rule for each 32 KiB: the time grows with the square of the rules.
  [[nodiscard]] Result<KernelCounts> read_counts(const Ruleset& ruleset);
  /// `limited` and `full` alone: a few chains.
  [[nodiscard]] Result<KernelCounts> read_unlogged(const Ruleset& ruleset);
  [[nodiscard]] Result<TableComments> read_comments();
  [[nodiscard]] Result<TableFlags> read_flags();

 private:
  explicit NftSocket(Descriptor fd) : fd_(std::move(fd)) {}
  std::optional<Failure> make_room(std::size_t bytes);
  std::optional<Failure> send(std::span<const std::byte> bytes);
  /// Takes what is there already and not wanted any more.
  void discard();
  Result<bool> probe_end();
  Result<bool> probe_owner();
  Result<std::optional<std::string>> read_comment(Family family);
  /// What is said of one object.
  struct ObjectText {
    std::string comment;
    std::uint32_t flags = 0;
  };
  /// Nothing if there is no such object; `set` of our table, empty: the table itself.
  Result<std::optional<ObjectText>> read_object(Family family, std::string_view set);
  /// Adds what chains have counted; one without a name stands for the whole table.
  Result<void> add_counts(Family family, const std::vector<std::string>& chains, KernelCounts& counts);
  /// Of one of them.
  ///   returns  false: somebody changed the ruleset meanwhile, and nothing was added
  Result<bool> try_to_add_counts(Family family, const std::string& chain, KernelCounts& counts);

  Descriptor fd_;
  bool acks_end_ = false;
  bool offers_owner_ = false;
  std::uint32_t sequence_ = 1;
};

/// The comment among an object's user data (libnftnl's list of type, length, value; ended by NUL); empty if none.
///   type  0 of rules and tables, 7 of sets (libnftnl/udata.h)
[[nodiscard]] std::string comment_of(std::span<const std::byte> user_data, unsigned type);

}  // namespace drywall
