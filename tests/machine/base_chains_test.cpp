// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/base_chains.h"

#include <gtest/gtest.h>

namespace drywall {
namespace {

const TableName inet_theirs{"inet", "theirs", Backend::nf_tables};

RuleChain plain(std::string name, std::set<std::string> calls = {}, bool drops = false) {
  return {inet_theirs, std::move(name), std::nullopt, drops, std::move(calls), {}};
}

RuleChain hooked(std::string name, std::string hook, std::int32_t priority, std::set<std::string> calls = {}) {
  return {inet_theirs, std::move(name),  ChainHook{"filter", std::move(hook), priority, false},
          false,       std::move(calls), {}};
}

TEST(BaseChains, DropWhatAChainThatTheyReachDrops) {
  const auto chains =
      base_chains({hooked("input", "input", 0, {"one"}), plain("one", {"two"}), plain("two", {}, true)});
  ASSERT_EQ(chains.size(), 1U);
  EXPECT_TRUE(chains[0].drops);
  EXPECT_EQ(chains[0].chains, (std::set<std::string>{"input", "one", "two"}));
}

TEST(BaseChains, DoNotDropWhatTheyDoNotReach) {
  const auto chains = base_chains({hooked("input", "input", 0), plain("lonely", {}, true)});
  ASSERT_EQ(chains.size(), 1U);
  EXPECT_FALSE(chains[0].drops);
}

TEST(BaseChains, DoNotReachChainsOfOtherTables) {
  RuleChain foreign = plain("one", {}, true);
  foreign.table.table = "others";
  EXPECT_FALSE(base_chains({hooked("input", "input", 0, {"one"}), foreign})[0].drops);
}

TEST(BaseChains, EndWhereChainsCallEachOther) {
  const auto chains = base_chains({hooked("input", "input", 0, {"one"}), plain("one", {"two"}), plain("two", {"one"})});
  EXPECT_EQ(chains[0].chains.size(), 3U);
}

TEST(BaseChains, ComeInTheOrderInWhichAPacketMeetsThem) {
  const auto chains = base_chains({hooked("e", "postrouting", 0), hooked("c", "forward", 5), hooked("b", "forward", -5),
                                   hooked("d", "output", 0), hooked("a", "prerouting", 300)});
  std::string order;
  for (const BaseChain& chain : chains) order += chain.name;
  EXPECT_EQ(order, "abcde");
}

TEST(BaseChains, HaveEachTranslationOnce) {
  const Translation translation{{Family::v4, 0, 0x0a000002}, 80, protocol::tcp, 8080};
  RuleChain both = plain("dnat");
  both.translations = {translation, translation};
  EXPECT_EQ(base_chains({hooked("pre", "prerouting", -100, {"dnat"}), both})[0].translations, std::vector{translation});
}

TEST(TableName, OursAreKnown) {
  EXPECT_TRUE(is_ours({"ip", "drywall", Backend::nf_tables}));
  EXPECT_TRUE(is_ours({"ip6", "drywall", Backend::nf_tables}));
  EXPECT_FALSE(is_ours({"inet", "drywall", Backend::nf_tables}));
  EXPECT_FALSE(is_ours({"ip", "filter", Backend::nf_tables}));
}

}  // namespace
}  // namespace drywall
