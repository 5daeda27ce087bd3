// SPDX-License-Identifier: GPL-2.0-or-later
// What we send by netlink and what nft makes of our text must be the same rules.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "render/chain_pool.h"
#include "render/encode.h"
#include "render/lower.h"
#include "render/nft_text.h"
#include "tests/render/kernel.h"
#include "tests/render/plan_builder.h"

namespace drywall {
namespace {

using nlohmann::json;

Ruleset random_ruleset(std::uint64_t seed) {
  const Inventory inventory = test::RandomInventory(seed).make();
  return *lower(compile(inventory, test::here(), World::enforced), compile(inventory, test::here(), World::pending),
                {});
}

/// Both tables as nft lists them, without handles and without what the table is called for people.
json listing() {
  json all = json::array();
  for (const char* family : {"ip", "ip6"}) {
    json table = json::parse(test::run(std::string("nft -j list table ") + family + " drywall"))["nftables"];
    for (json& object : table) {
      for (json& inner : object) {
        inner.erase("handle");
        if (object.contains("table")) inner.erase("comment");
        if (inner.contains("elem")) std::sort(inner["elem"].begin(), inner["elem"].end());  // a hash has no order
      }
      const bool is_marker = object.contains("set") && object["set"]["name"] == generation_set;
      if (!object.contains("metainfo") && !is_marker) all.push_back(object.dump());
    }
  }
  return all;
}

/// The one exception to parity: nft 1.0.6 has no text for these, and they are comments in ours.
bool has_no_text(const Match& match) {
  const auto* compared = std::get_if<FieldIs>(&match);
  const auto* looked_up = std::get_if<FieldIn>(&match);
  return (compared != nullptr && compared->field == Field::original_destination_port) ||
         (looked_up != nullptr && looked_up->fields.back() == Field::original_destination_port);
}

template <Stance S>
std::size_t leave_out_what_has_no_text(Layer<S>& layer) {
  std::size_t left_out = 0;
  for (std::size_t i = 0; i < layer.chains.size(); ++i) {
    layer.chains.edit(i, [&](Chain<S>& chain) {
      left_out += std::erase_if(chain.rules,
                                [](const NftRule<S>& rule) { return std::ranges::any_of(rule.matches, has_no_text); });
    });
  }
  return left_out;
}

class OnTheKernel : public testing::Test {
 protected:
  void SetUp() override { test::enter_own_network(); }
};

TEST_F(OnTheKernel, WhatIsSentIsWhatNftMakesOfTheText) {
  std::size_t without_text = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Ruleset ruleset = random_ruleset(seed);
    std::string refused;
    ASSERT_EQ(test::send_transaction(encode_replacement(ruleset, {}), refused), 0)
        << "seed " << seed << ": " << refused;
    const std::string text = nft_text(ruleset);
    for (Table& table : ruleset.tables)
      without_text += leave_out_what_has_no_text(table.enforce) + leave_out_what_has_no_text(table.observe);
    ASSERT_EQ(test::send_transaction(encode_replacement(ruleset, {}), refused), 0)
        << "seed " << seed << ": " << refused;
    const json sent = listing();
    ASSERT_NO_THROW(test::run_nft_file(text)) << text;
    const json loaded = listing();
    ASSERT_EQ(sent.size(), loaded.size()) << "seed " << seed;
    std::set<std::string> left(sent.begin(), sent.end());
    for (const json& object : loaded) {
      ASSERT_TRUE(left.contains(object.get<std::string>())) << "seed " << seed << ": only nft made " << object;
    }
  }
  EXPECT_GT(without_text, 0U);
}

TEST_F(OnTheKernel, AChangeMakesOfOneRulesetTheOther) {
  const EncodeOptions options{.first_sequence = 1, .acks_end = true, .generation = "generation"};
  std::string refused;
  ASSERT_EQ(test::send_transaction(encode_replacement(random_ruleset(0), options), refused), 0) << refused;
  for (std::uint64_t seed = 1; seed < 60; ++seed) {
    const Transaction change = encode_change(random_ruleset(seed - 1), random_ruleset(seed), options);
    ASSERT_EQ(test::send_transaction(change, refused), 0) << "seed " << seed << ": " << refused;
    const json changed = listing();
    ASSERT_EQ(test::send_transaction(encode_replacement(random_ruleset(seed), options), refused), 0) << refused;
    const json whole = listing();
    std::multiset<std::string> left(changed.begin(), changed.end());
    const std::multiset<std::string> right(whole.begin(), whole.end());
    std::vector<std::string> differ;
    std::ranges::set_symmetric_difference(left, right, std::back_inserter(differ));
    ASSERT_TRUE(differ.empty()) << "seed " << seed << ": " << differ.front() << "\n" << differ.back();
  }
}

TEST_F(OnTheKernel, AnEmptyRulesetRemovesOurTablesWhetherTheyAreThereOrNot) {
  std::string refused;
  ASSERT_EQ(test::send_transaction(encode_replacement(random_ruleset(1), {}), refused), 0) << refused;
  ASSERT_EQ(test::send_transaction(encode_replacement({}, {}), refused), 0) << refused;
  ASSERT_EQ(test::send_transaction(encode_replacement({}, {}), refused), 0) << refused;
  EXPECT_EQ(test::run("nft list tables").find("drywall"), std::string::npos);
}

TEST_F(OnTheKernel, ARefusalNamesTheObjectAndLeavesTheOldRules) {
  std::string refused;
  const Ruleset good = random_ruleset(2);
  ASSERT_EQ(test::send_transaction(encode_replacement(good, {}), refused), 0) << refused;
  const json before = listing();
  Ruleset bad = random_ruleset(3);
  auto jump = rule_ending<Stance::enforce>(Jump<Stance::enforce>{{"nowhere"}});
  jump.at = {"a.yaml", 3, 1};
  auto& chains = bad.tables[1].enforce.chains;
  chains.edit(chains.size() - 1, [&](Chain<Stance::enforce>& chain) { chain.rules.push_back(jump); });
  EXPECT_EQ(test::send_transaction(encode_replacement(bad, {}), refused), ENOENT);
  EXPECT_NE(refused.find("rule in chain ip6 drywall"), std::string::npos) << refused;
  EXPECT_EQ(listing(), before);
}

}  // namespace
}  // namespace drywall
