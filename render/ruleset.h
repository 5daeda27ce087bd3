// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "policy/diagnostic.h"
#include "policy/net.h"
#include "policy/plan.h"
#include "policy/rule_tag.h"
#include "policy/shared_list.h"

// The kernel's language as values: what nf_tables will hold, expression by expression.
//
// Everything that a rule can do at its end depends on its stance. A rule of the observe stance can count, log and leave
// its own base chain; it has no word for drop, reject, queue, or for writing to the packet or to its connection, and it
// can only jump to chains of its own stance. That staged policy is inert is therefore checked by the compiler.

namespace drywall {

enum class Stance : std::uint8_t { enforce, observe };

/// What a rule reads. Offsets and sizes: see field_layout() in render/field.h.
enum class Field : std::uint8_t {
  source_address,       // 4 or 16 bytes
  destination_address,  // 4 or 16 bytes
  source_port,          // 2 bytes, transport header
  destination_port,     // 2 bytes, transport header
  icmp_type,            // 1 byte, transport header
  icmp_code,            // 1 byte, transport header
  icmp_type_and_code,   // 2 bytes, transport header
  l4_protocol,          // 1 byte, meta l4proto
  in_interface,         // 16 bytes, meta iifname
  out_interface,        // 16 bytes, meta oifname
  in_index,             // 4 bytes in host order, meta iif: 0 none, 1 the loopback of every network namespace
  out_index,            // likewise, meta oif
  // Of the connection's first packet before NAT; a packet without connection has none.
  original_destination_address,  // 4 or 16 bytes
  original_destination_port,     // 2 bytes
};

using Bytes = std::vector<std::uint8_t>;  // network byte order, whole field

enum class Compare : std::uint8_t { equal, not_equal, at_least, at_most };

/// (field & mask) OP value; an empty mask is none. An interface name shorter than the field is a prefix of the name
/// unless it ends in a zero byte.
struct FieldIs {
  Field field;
  Compare compare = Compare::equal;
  Bytes mask;
  Bytes value;
  bool operator==(const FieldIs&) const = default;
};
/// The concatenated fields are (not) an element of a named set.
struct FieldIn {
  std::vector<Field> fields;
  std::string set;
  Sense sense = Sense::is;
  bool operator==(const FieldIn&) const = default;
};
/// Any of these bits of the connection's state; linux/netfilter/nf_conntrack_common.h, NF_CT_STATE_BIT.
struct StateIs {
  std::uint32_t any_of;
  bool operator==(const StateIs&) const = default;
};
namespace ct_state {
inline constexpr std::uint32_t invalid = 1, established = 2, related = 4, fresh = 8, untracked = 64;
}
/// Any (is) or none (is_not) of these bits of the connection's status (enum ip_conntrack_status). A packet without
/// connection fails both.
struct StatusIs {
  std::uint32_t any_of;
  Sense sense = Sense::is;
  bool operator==(const StatusIs&) const = default;
};
namespace ct_status {
inline constexpr std::uint32_t confirmed = 8, dnat = 32;
}
/// The packet goes the way of its connection's first. A packet without connection fails.
struct IsOriginalDirection {
  bool operator==(const IsOriginalDirection&) const = default;
};
/// The source address is one of the host's own (fib saddr type local).
struct SourceIsLocal {
  bool operator==(const SourceIsLocal&) const = default;
};
/// The destination is a broadcast address of an interface of the host (fib daddr type broadcast); IPv4 only.
struct DestinationIsBroadcast {
  bool operator==(const DestinationIsBroadcast&) const = default;
};
/// There is no route back to the source through the interface that the packet came in by (fib saddr . iif oif 0).
struct NoReversePath {
  bool operator==(const NoReversePath&) const = default;
};
using Match = std::variant<FieldIs, FieldIn, StateIs, StatusIs, IsOriginalDirection, SourceIsLocal,
                           DestinationIsBroadcast, NoReversePath>;

/// Holds as long as no more than `rate` packets come in `seconds`, after the first `burst`.
struct Limit {
  std::string flows;  // the limiter set that keeps one such limit for each flow; empty: one for all
  std::uint32_t rate = 0;
  std::uint32_t burst = 0;
  std::uint32_t seconds = 1;  // `rate` is of so many: 1, 60, 3600 or 86400
  bool operator==(const Limit&) const = default;
};

/// Copies the packet's first bytes to user space with a tag.
struct Nflog {
  std::string prefix;  // at most 63 bytes
  std::uint16_t group = 0;
  std::uint32_t copy_bytes = 128;
  bool operator==(const Nflog&) const = default;
};

/// The name of a chain; chains of one stance cannot be named by rules of the other.
template <Stance S>
struct ChainName {
  std::string text;
  auto operator<=>(const ChainName&) const = default;
};

struct Continue {  // on to the next rule
  bool operator==(const Continue&) const = default;
};
struct Accept {  // ends this base chain; later base chains still run
  bool operator==(const Accept&) const = default;
};
struct Return {
  bool operator==(const Return&) const = default;
};
struct AcceptUntracked {  // and connection tracking will not see the packet; only before it (priority -200)
  bool operator==(const AcceptUntracked&) const = default;
};
struct Drop {
  bool operator==(const Drop&) const = default;
};
struct Reject {
  bool operator==(const Reject&) const = default;
};
template <Stance S>
struct Jump {
  ChainName<S> to;
  bool operator==(const Jump&) const = default;
};
template <Stance S>
struct Goto {
  ChainName<S> to;
  bool operator==(const Goto&) const = default;
};
/// The verdict that a verdict map of this stance holds for the field's value; none: the next rule.
template <Stance S>
struct Dispatch {
  std::vector<Field> fields;
  std::string map;
  bool operator==(const Dispatch&) const = default;
};

template <Stance S>
struct EndOf;
template <>
struct EndOf<Stance::observe> {
  using type =
      std::variant<Continue, Accept, Return, Jump<Stance::observe>, Goto<Stance::observe>, Dispatch<Stance::observe>>;
};
template <>
struct EndOf<Stance::enforce> {
  using type = std::variant<Continue, Accept, Return, Jump<Stance::enforce>, Goto<Stance::enforce>,
                            Dispatch<Stance::enforce>, AcceptUntracked, Drop, Reject>;
};
template <Stance S>
using End = typename EndOf<S>::type;

/// What a verdict map holds.
template <Stance S>
struct VerdictOf;
template <>
struct VerdictOf<Stance::observe> {
  using type = std::variant<Accept, Jump<Stance::observe>, Goto<Stance::observe>>;
};
template <>
struct VerdictOf<Stance::enforce> {
  using type = std::variant<Accept, Jump<Stance::enforce>, Goto<Stance::enforce>, Drop>;
};
template <Stance S>
using MapVerdict = typename VerdictOf<S>::type;

/// matches, then counter, limit, logs, end; a match or limit that fails leads to the next rule.
template <Stance S>
struct NftRule {
  std::vector<Match> matches;
  bool counter = false;
  std::optional<Limit> limit;
  std::optional<Nflog> log;
  std::optional<std::string> kernel_log;  // prefix of a line in the kernel's own log
  End<S> end;
  std::string comment;  // for people who list the table: policy, rule, file:line; at most 128 bytes are kept
  SourceLocation at;    // whom to blame if the kernel refuses it
  bool operator==(const NftRule&) const = default;
};

enum class Hook : std::uint8_t {
  prerouting = 0,
  input = 1,
  forward = 2,
  output = 3,
  postrouting = 4
};  // nf_inet_hooks

struct BaseHook {
  Hook hook;
  std::int32_t priority;
  auto operator<=>(const BaseHook&) const = default;
};

template <Stance S>
struct Chain {
  ChainName<S> name;
  std::optional<BaseHook> base;  // type filter, policy accept
  std::vector<NftRule<S>> rules;
  bool operator==(const Chain&) const = default;
};

/// [first, last] both inclusive; equal for a single value. Concatenated fields each padded to 4 bytes.
struct Element {
  Bytes first;
  Bytes last;
  auto operator<=>(const Element&) const = default;
};

struct Set {
  std::string name;
  std::vector<Field> fields;
  bool interval = false;
  std::vector<Element> elements;  // sorted, disjoint
  std::string comment;
  bool operator==(const Set&) const = default;
};

/// Flows (source address, destination address, destination port) and how often each was logged lately: the one thing
/// that rules write, of either stance.
struct LimiterSet {
  std::string name;
  std::uint32_t size = 0;             // flows; more are not limited one by one but together
  std::uint32_t timeout_seconds = 0;  // a flow is forgotten so long after it was first seen
  bool operator==(const LimiterSet&) const = default;
};
inline const std::vector<Field> limiter_key{Field::source_address, Field::destination_address, Field::destination_port};

// The comments of the rules where packets end that no evidence tells of; the daemon adds up their counters.
inline constexpr const char* limited_comment = "not logged: over its flow's rate";
inline constexpr const char* full_comment = "not logged: too many flows";

template <Stance S>
struct VerdictMap {
  struct Entry {
    Element key;
    MapVerdict<S> verdict;
    bool operator==(const Entry&) const = default;
  };
  std::string name;
  std::vector<Field> fields;
  bool interval = false;
  std::vector<Entry> entries;  // sorted by key
  bool operator==(const VerdictMap&) const = default;
};

/// The number of elements that the kernel is told, 0 for none: then a set without intervals is a hash of fixed size,
/// which loads and finds faster than one that can grow. With room for some more, so that elements can come and go; a
/// set that needs another size is made anew.
[[nodiscard]] constexpr std::size_t size_with_room(std::size_t elements) {
  return std::bit_ceil(elements + elements / 4 + 8);
}
[[nodiscard]] inline std::size_t fixed_size(const Set& set) {
  return set.interval ? 0 : size_with_room(set.elements.size());
}
template <Stance S>
[[nodiscard]] std::size_t fixed_size(const VerdictMap<S>& map) {
  return map.interval ? 0 : size_with_room(map.entries.size());
}

template <Stance S>
struct Layer {
  SharedList<VerdictMap<S>> maps;
  SharedList<Chain<S>> chains;  // leaves first: a chain stands behind all that it names
  bool operator==(const Layer&) const = default;
};

/// `ip drywall` or `ip6 drywall`.
struct Table {
  Family family = Family::v4;
  SharedList<Set> sets;  // shared by both layers: reading a set changes nothing
  std::vector<LimiterSet> limiters;
  Layer<Stance::enforce> enforce;
  Layer<Stance::observe> observe;
  bool operator==(const Table&) const = default;
};

/// Everything that the kernel shall hold of ours. No tables: nothing at all.
struct Ruleset {
  std::vector<Table> tables;
  bool operator==(const Ruleset&) const = default;
};

inline constexpr const char* table_name = "drywall";
/// An empty set in each table whose comment says which generation it is.
inline constexpr const char* generation_set = "generation";

}  // namespace drywall
