// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/rules_watch.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "daemon/netlink.h"
#include "render/chain_pool.h"
#include "tests/daemon/kernel.h"

namespace drywall {
namespace {

class RulesWatched : public testing::Kernel {
 protected:
  void SetUp() override {
    Kernel::SetUp();
    Result<NftSocket> opened = NftSocket::open();
    ASSERT_TRUE(opened) << to_string(opened.error());
    socket_.emplace(std::move(*opened));
    Result<RulesWatch> watch = RulesWatch::open(socket_->port());
    ASSERT_TRUE(watch) << to_string(watch.error());
    watch_.emplace(std::move(*watch));
    apply();
  }

  void apply() {
    ChainPool<Stance::enforce> chains;
    chains.add_base("base", {Hook::input, 0}, {rule_ending<Stance::enforce>(Accept{})});
    const Ruleset ruleset{{Table{Family::v4, {}, {}, chains.take(), {}}}};
    ASSERT_TRUE(socket_->apply(
        encode_replacement(
            ruleset, {.first_sequence = socket_->next_sequence(), .acks_end = socket_->acks_end(), .generation = ""}),
        {.v4 = "", .v6 = {}}));
  }

  std::optional<NftSocket> socket_;
  std::optional<RulesWatch> watch_;
};

int nft(const std::string& command) {
  return std::system(("nft '" + command + "'").c_str());
}

TEST_F(RulesWatched, SaysNothingOfOurOwnChanges) {
  apply();
  EXPECT_FALSE(watch_->drain().changed);
}

TEST_F(RulesWatched, TellsWhoChangedOurTables) {
  for (const char* command : {"add rule ip drywall base counter", "flush chain ip drywall base", "flush ruleset"}) {
    ASSERT_EQ(nft(command), 0);
    const RulesWatch::Seen seen = watch_->drain();
    EXPECT_TRUE(seen.changed) << command;
    EXPECT_TRUE(seen.by.starts_with("nft (process ")) << seen.by;
    EXPECT_FALSE(watch_->drain().changed) << command;
  }
}

TEST_F(RulesWatched, OthersTablesAreNotOurs) {
  ASSERT_EQ(nft("add table ip drywall2; add table inet drywall; delete table ip drywall2"), 0);
  EXPECT_FALSE(watch_->drain().changed);
}

}  // namespace
}  // namespace drywall
