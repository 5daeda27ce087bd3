// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstdint>
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
  struct AddressHash {
    std::size_t operator()(const Address& address) const;
  };
  using AddressRows = std::unordered_map<Address, Row, AddressHash>;

  /// The rules of one direction, numbered in the plan's order of policies.
  struct Rules {
    std::vector<const PlannedRule*> rules;   // by bit
    std::vector<PolicyIndex> policies;       // by bit
    std::vector<std::uint32_t> first_bit;    // by PolicyIndex; and one more
    Row unindexed;                           // rules with criteria that no row covers
    std::vector<std::uint16_t> port_bounds;  // where the set of matching port ranges can change, ascending
    std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> by_port;  // protocol and port to rules of just those
    Row only_by_port;                                                       // the rules in by_port: in no header row
    std::unordered_map<std::uint64_t, Row> header_rows;
    AddressRows source_rows;
    AddressRows destination_rows;
    std::unordered_map<const PlannedLeg*, std::optional<Row>> leg_rows;  // nothing: not in the plan's order
    [[nodiscard]] std::size_t words() const { return (rules.size() + 63) / 64; }
  };

  struct Query;
  void number(Rules& rules, Direction direction);
  void index_ports(Rules& rules);
  const Row& address_row(Rules& rules, AddressRows& rows, Side side, const Address& address);
  const Row& header_row(Rules& rules, const Packet& packet);
  const std::optional<Row>& leg_row(Rules& rules, const PlannedLeg& leg);
  void keep_within_bound();
  const PlannedRule* first_match(const Query& query, const PlannedTier& tier, PolicyIndex& policy) const;

  const Plan& plan_;
  std::array<Rules, 2> rules_;  // by direction
  std::size_t kept_words_ = 0;
};

}  // namespace drywall
