// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/first_load.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/daemon/kernel.h"

namespace drywall {
namespace {

TEST(TrackingOnly, HasTheTablesOfTheRulesAndNoRuleThatAPacketMeets) {
  Ruleset rules;
  rules.tables.resize(2);
  rules.tables[0].family = Family::v6;
  rules.tables[0].enforce.chains = {{{"input"}, BaseHook{Hook::input, 0}, {}}};
  rules.tables[1].family = Family::v4;
  const Ruleset tracking = tracking_only(rules);
  ASSERT_EQ(tracking.tables.size(), 2U);
  EXPECT_EQ(tracking.tables[0].family, Family::v6);
  EXPECT_EQ(tracking.tables[1].family, Family::v4);
  for (const Table& table : tracking.tables) {
    EXPECT_TRUE(table.enforce.chains.empty());
    ASSERT_EQ(table.observe.chains.size(), 1U);
    EXPECT_FALSE(table.observe.chains[0].base);
  }
}

class FirstLoad : public testing::Kernel {};

TEST_F(FirstLoad, WarnsIfTheKernelDoesNotTrackAndGoesOn) {
  const WarmUp done = warm_up(
      [] {
        return std::optional(Failure{"apply", "a test", EPERM, {}});
      },
      Forwarded::not_waited_for);
  ASSERT_EQ(done.warnings.size(), 1U);
  EXPECT_NE(done.warnings[0].find("a test"), std::string::npos);
}

TEST_F(FirstLoad, SaysThatTheKernelDoesNotTakeUpConnectionsInTheirMidst) {
  const std::string loose = "/proc/sys/net/netfilter/nf_conntrack_tcp_loose";
  if (access(loose.c_str(), W_OK) != 0) GTEST_SKIP() << loose << " cannot be written";
  testing::write(loose, "0");
  const WarmUp done = warm_up([] { return std::optional<Failure>(); }, Forwarded::not_waited_for);
  testing::write(loose, "1");
  ASSERT_EQ(done.warnings.size(), 1U);
  EXPECT_NE(done.warnings[0].find("nf_conntrack_tcp_loose"), std::string::npos);
  EXPECT_TRUE(warm_up([] { return std::optional<Failure>(); }, Forwarded::not_waited_for).warnings.empty());
}

TEST_F(FirstLoad, WaitsForForwardedConnectionsNoLongerThanItMust) {
  const WarmUp quiet = warm_up([] { return std::optional<Failure>(); }, Forwarded::waited_for);
  EXPECT_GE(quiet.took, std::chrono::milliseconds(50));
  EXPECT_LT(quiet.took, std::chrono::milliseconds(1000));
}

}  // namespace
}  // namespace drywall
