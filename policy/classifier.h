// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "policy/evaluate.h"
#include "policy/plan.h"

namespace drywall {

/// Answers as evaluate() does, for many packets: each rule is a bit, each address and each port a row of bits of the
/// rules that it satisfies (made when first seen, kept within a bound), and the first bit that all rows share is the
/// first match. Holds a reference to the plan; not for several threads at once.
class Classifier {
 public:
  explicit Classifier(const Plan& plan);
  ~Classifier();

  [[nodiscard]] Decision evaluate(const PlannedLeg& leg, const Packet& packet);
  [[nodiscard]] const Plan& plan() const { return plan_; }

 private:
  using Row = std::vector<std::uint64_t>;
  /// What the rules of one direction demand of one address of the packet.
  struct AddressIndex {
    Row indifferent;                                        // rules that demand nothing
    std::map<SetIndex, std::vector<std::uint32_t>> by_set;  // rules that demand membership, and nothing else
    std::vector<std::uint32_t> others;
    std::vector<Address> bounds;                // where membership of any set can change, ascending
    std::unordered_map<std::size_t, Row> rows;  // by the place among the bounds: all addresses there are alike
  };
  /// What they demand of protocol, destination port, and ICMP type and code.
  struct HeaderIndex {
    struct Span {
      PortRange ports;
      std::uint32_t bit;
    };
    Row indifferent;
    std::array<std::vector<std::uint32_t>, 256> by_protocol;  // rules that demand the protocol alone
    std::array<std::vector<Span>, 256> spans;                 // ... and one of several ports in a range
    std::unordered_map<std::uint32_t, std::vector<std::uint32_t>>
        by_port;                        // ... and one port; protocol and port to rules
    std::vector<std::uint16_t> bounds;  // the ports at which the spans that hold can change, ascending
    std::vector<std::uint32_t> others;
    std::unordered_map<std::uint64_t, Row> rows;  // without by_port
  };

  /// The rules of one direction, numbered in the plan's order of policies.
  struct Rules {
    std::vector<const PlannedRule*> rules;  // by bit
    std::vector<PolicyIndex> policies;      // by bit
    std::vector<std::uint32_t> first_bit;   // by PolicyIndex; and one more
    Row unindexed;                          // rules with criteria that no row covers
    std::array<Row, 2> of_family;           // by Family: rules that do not demand the other
    AddressIndex source;
    AddressIndex destination;
    HeaderIndex header;
    std::unordered_map<const PlannedLeg*, std::optional<Row>> leg_rows;  // nothing: not in the plan's order
    [[nodiscard]] std::size_t words() const { return (rules.size() + 63) / 64; }
  };

  struct Query;
  void number(Rules& rules, Direction direction);
  void index_rule(Rules& rules, std::uint32_t bit);
  void index_address(AddressIndex& index, const PlannedRule& rule, Side side, std::uint32_t bit) const;
  void index_bounds(Rules& rules, AddressIndex& index, Side side) const;
  static void index_header(HeaderIndex& index, const PlannedRule& rule, std::uint32_t bit);
  static void add_bounds(HeaderIndex& index, PortRange range);
  static void index_ports(HeaderIndex& index, Protocol protocol, const PortIn& ports, std::uint32_t bit);
  const Row& address_row(const Rules& rules, AddressIndex& index, const Address& address);
  const Row& header_row(Rules& rules, const Packet& packet);
  const std::optional<Row>& leg_row(Rules& rules, const PlannedLeg& leg);
  void keep_within_bound();
  const PlannedRule* first_match(const Query& query, const PlannedTier& tier, PolicyIndex& policy) const;

  const Plan& plan_;
  std::array<Rules, 2> rules_;  // by direction
  std::size_t kept_words_ = 0;
};

}  // namespace drywall
