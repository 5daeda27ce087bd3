// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/place.h"

#include <gtest/gtest.h>

#include "render/chain_pool.h"

namespace drywall {
namespace {

using Rule = NftRule<Stance::enforce>;

Rule rule_at(std::uint32_t line) {
  Rule rule = rule_ending<Stance::enforce>(Drop{});
  rule.at = {"web.yaml", line, 3};
  return rule;
}

/// A base chain that dispatches to "web", which jumps to "policy", whose rule at line 7 reads the set "members".
Ruleset ruleset() {
  Rule asks = rule_at(7);
  asks.matches = {FieldIn{{Field::source_address}, "members"}};
  Rule limited = rule_ending<Stance::enforce>(Drop{});
  limited.limit = Limit{};
  Table table;
  table.family = Family::v6;
  table.sets = {Set{"members", {Field::source_address}, false, {}, ""}};
  table.enforce.maps = {
      VerdictMap<Stance::enforce>{"interfaces", {Field::in_interface}, false, {{{}, Goto<Stance::enforce>{{"web"}}}}}};
  table.enforce.chains = {
      {{"policy"}, std::nullopt, {limited, asks, rule_at(8)}},
      {{"web"}, std::nullopt, {rule_ending<Stance::enforce>(Jump<Stance::enforce>{{"policy"}})}},
      {{"input"},
       BaseHook{Hook::input, 0},
       {rule_ending<Stance::enforce>(Dispatch<Stance::enforce>{{}, "interfaces"})}},
      {{"nobody"}, std::nullopt, {rule_ending<Stance::enforce>(Accept{})}},
  };
  return {{table}};
}

std::uint32_t line_of(const std::string& name) {
  return place_of(ruleset(), Family::v6, name).line;
}

TEST(Place, OfAChainIsThatOfTheFirstRuleThatItReaches) {
  EXPECT_EQ(to_string(place_of(ruleset(), Family::v6, "policy")), "web.yaml:7:3");
  EXPECT_EQ(line_of("web"), 7U);
  EXPECT_EQ(line_of("input"), 7U);
}

TEST(Place, OfAMapIsThatOfWhatItLeadsTo) {
  EXPECT_EQ(line_of("interfaces"), 7U);
}

TEST(Place, OfASetIsThatOfTheRuleThatReadsIt) {
  EXPECT_EQ(line_of("members"), 7U);
}

TEST(Place, OfWhatNoRuleOfTheUsersNeedsIsNone) {
  EXPECT_EQ(place_of(ruleset(), Family::v6, "nobody"), SourceLocation{});
  EXPECT_EQ(place_of(ruleset(), Family::v6, ""), SourceLocation{});
  EXPECT_EQ(place_of(ruleset(), Family::v6, "missing"), SourceLocation{});
  EXPECT_EQ(place_of(ruleset(), Family::v4, "policy"), SourceLocation{});
}

}  // namespace
}  // namespace drywall
