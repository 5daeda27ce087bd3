// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "render/chain_pool.h"

namespace drywall {
namespace {

using Enforce = ChainPool<Stance::enforce>;

TEST(Nesting, CountsJumpGotoAndMapsAlike) {
  Enforce chains;
  const auto leaf = chains.chain("leaf", [](auto&) {});
  const auto middle = chains.chain(
      "middle", [&](auto& rules) { rules.push_back(rule_ending<Stance::enforce>(Goto<Stance::enforce>{leaf})); });
  std::vector<NftRule<Stance::enforce>> rules{rule_ending<Stance::enforce>(Accept{})};
  chains.look_up(rules, {"map", {Field::in_interface}, false, {{{{1}, {1}}, Jump<Stance::enforce>{middle}}}});
  chains.add_base("base", {Hook::input, 0}, std::move(rules));
  EXPECT_EQ(chains.deepest(), 3U);
}

TEST(Nesting, TakesTheLongestWay) {
  Enforce chains;
  auto last = chains.chain("0", [](auto&) {});
  for (int i = 1; i < 20; ++i) {
    last = chains.chain(std::to_string(i), [&](auto& rules) {
      rules.push_back(rule_ending<Stance::enforce>(Jump<Stance::enforce>{last}));
      rules.push_back(rule_ending<Stance::enforce>(Jump<Stance::enforce>{{"0"}}));
    });
  }
  EXPECT_EQ(chains.deepest(), 20U);
}

TEST(Nesting, OfNothingIsNothing) {
  EXPECT_EQ(Enforce().deepest(), 0U);
}

}  // namespace
}  // namespace drywall
