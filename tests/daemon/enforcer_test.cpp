// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/enforcer.h"

#include <gtest/gtest.h>

#include "tests/daemon/kernel.h"

namespace drywall {
namespace {

using testing::TemporaryDirectory;

constexpr const char* endpoint = R"(
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: here}
spec: {node: node1, interfaceName: eth0}
)";
const Timestamp noon{std::chrono::seconds(1'700'000'000)};

Inputs inputs(std::string text) {
  Inputs out;
  out.files = {{"p/a.yaml", std::move(text)}};
  out.machine = {"node1", {{"eth0", {}}}, {}};
  return out;
}
Inputs broken() {
  return inputs("kind: Nonsense\n");
}

class Enforcing : public testing::Kernel {
 protected:
  void SetUp() override {
    Kernel::SetUp();
    remove_tables();
  }
  static void remove_tables() {
    NftSocket socket = NftSocket::open().value();
    const Transaction transaction = encode_replacement(
        {}, {.first_sequence = socket.next_sequence(), .acks_end = socket.acks_end(), .generation = {}});
    ASSERT_TRUE(socket.apply(transaction, {}));
  }
  static std::optional<GenerationComment> in_kernel() {
    const TableComments comments = NftSocket::open().value().read_comments().value();
    return comments.v4 ? parse_generation_comment(*comments.v4) : std::nullopt;
  }
  const TemporaryDirectory state_;
};

TEST_F(Enforcing, PutsAGenerationIntoTheKernel) {
  Enforcer enforcer(state_.path());
  const Loaded loaded = enforcer.load(inputs(endpoint), noon);
  EXPECT_EQ(loaded.result, Loaded::Result::in_force);
  ASSERT_EQ(loaded.changed.size(), 1U);
  EXPECT_EQ(loaded.changed[0].file, "p/a.yaml");
  EXPECT_FALSE(loaded.changed[0].sha256_before);
  ASSERT_TRUE(in_kernel());
  EXPECT_EQ(in_kernel()->number, 1U);
  EXPECT_EQ(in_kernel()->rendering, enforcer.in_force()->generation->rendering);
  EXPECT_EQ(enforcer.in_sync(), true);
}

TEST_F(Enforcing, ChangesNothingIfNothingChanged) {
  Enforcer enforcer(state_.path());
  ASSERT_TRUE(enforcer.load(inputs(endpoint), noon).ok());
  const Loaded again = enforcer.load(inputs(endpoint), noon + std::chrono::hours(1));
  EXPECT_EQ(again.result, Loaded::Result::unchanged);
  EXPECT_EQ(enforcer.in_force()->number, 1U);
  EXPECT_EQ(enforcer.in_force()->applied_at, noon);
}

TEST_F(Enforcing, KeepsTheOldGenerationIfTheNewOneIsBroken) {
  Enforcer enforcer(state_.path());
  ASSERT_TRUE(enforcer.load(inputs(endpoint), noon).ok());
  const Loaded loaded = enforcer.load(broken(), noon);
  EXPECT_EQ(loaded.result, Loaded::Result::invalid);
  EXPECT_TRUE(has_errors(loaded.diagnostics));
  EXPECT_EQ(enforcer.in_force()->number, 1U);
  EXPECT_EQ(in_kernel()->number, 1U);
}

TEST_F(Enforcing, RemovesItsTablesWithTheLastPolicy) {
  Enforcer enforcer(state_.path());
  ASSERT_TRUE(enforcer.load(inputs(endpoint), noon).ok());
  EXPECT_EQ(enforcer.load(inputs(""), noon).result, Loaded::Result::in_force);
  EXPECT_EQ(enforcer.in_force()->number, 2U);
  EXPECT_FALSE(in_kernel());
  EXPECT_EQ(enforcer.in_sync(), true);
}

TEST_F(Enforcing, LeavesTheKernelAloneWhenTheDaemonIsRestarted) {
  { ASSERT_TRUE(Enforcer(state_.path()).load(inputs(endpoint), noon).ok()); }
  Enforcer restarted(state_.path());
  EXPECT_EQ(restarted.load(inputs(endpoint), noon + std::chrono::hours(1)).result, Loaded::Result::unchanged);
  EXPECT_EQ(restarted.in_force()->number, 1U);
  EXPECT_EQ(restarted.in_force()->applied_at, noon);
}

TEST_F(Enforcing, NumbersRiseOverRestarts) {
  { ASSERT_TRUE(Enforcer(state_.path()).load(inputs(endpoint), noon).ok()); }
  Enforcer restarted(state_.path());
  ASSERT_TRUE(restarted.load(inputs(std::string("# moved\n") + endpoint + "# more\n"), noon).ok());
  EXPECT_EQ(restarted.in_force()->number, 2U);
}

TEST_F(Enforcing, NumbersRiseAboveTheKernelsIfTheStateIsLost) {
  { ASSERT_TRUE(Enforcer(state_.path()).load(inputs(endpoint), noon).ok()); }
  const TemporaryDirectory empty;
  Enforcer restarted(empty.path());
  ASSERT_TRUE(restarted.load(inputs(""), noon).ok());
  EXPECT_EQ(restarted.in_force()->number, 2U);
}

TEST_F(Enforcing, PutsTheLastGoodGenerationInForceAfterAReboot) {
  { ASSERT_TRUE(Enforcer(state_.path()).load(inputs(endpoint), noon).ok()); }
  remove_tables();
  Enforcer rebooted(state_.path());
  EXPECT_FALSE(rebooted.load(broken(), noon).ok());
  const std::optional<Loaded> last_good = rebooted.load_last_good(inputs("").machine, std::nullopt, noon);
  ASSERT_TRUE(last_good);
  EXPECT_TRUE(last_good->ok());
  ASSERT_TRUE(in_kernel());
  EXPECT_EQ(in_kernel()->number, 1U);
}

TEST_F(Enforcing, HasNoLastGoodGenerationAtFirst) {
  Enforcer enforcer(state_.path());
  EXPECT_FALSE(enforcer.load(broken(), noon).ok());
  EXPECT_FALSE(enforcer.load_last_good(inputs("").machine, std::nullopt, noon));
}

TEST_F(Enforcing, SeesThatItsTablesAreGoneAndPutsThemBackWhenAsked) {
  Enforcer enforcer(state_.path());
  ASSERT_TRUE(enforcer.load(inputs(endpoint), noon).ok());
  remove_tables();
  EXPECT_EQ(enforcer.in_sync(), false);
  EXPECT_EQ(enforcer.load(inputs(endpoint), noon).result, Loaded::Result::in_force);
  EXPECT_EQ(enforcer.in_sync(), true);
}

// What the kernel was given for the warm-up is not there any more.
TEST_F(Enforcing, IsInSyncAfterTheFirstRulesThatFollowAnEmptyDirectory) {
  Enforcer enforcer(state_.path());
  ASSERT_TRUE(enforcer.load(inputs(""), noon).ok());
  const Loaded first = enforcer.load(inputs(endpoint), noon);
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(first.warm_up);
  EXPECT_EQ(enforcer.is_whole(), true);
}

TEST_F(Enforcing, IsInSyncAfterTheFirstRulesThatCameWhileItWasDown) {
  { ASSERT_TRUE(Enforcer(state_.path()).load(inputs(""), noon).ok()); }
  Enforcer restarted(state_.path());
  ASSERT_TRUE(restarted.load(inputs(endpoint), noon).ok());
  EXPECT_EQ(restarted.is_whole(), true);
}

TEST_F(Enforcing, OwnsItsTablesWhereTheKernelOffersItAndTheNextRunTakesThemOver) {
  if (!NftSocket::open().value().offers_owner()) GTEST_SKIP() << "this kernel has no tables of one owner that stay";
  const auto flags = [] { return NftSocket::open().value().read_flags().value(); };
  Inputs owned = inputs(endpoint);
  owned.config.own_tables = OwnTables::where_offered;
  const TableFlags nobody{persist_flag, persist_flag};
  {
    Enforcer enforcer(state_.path());
    ASSERT_TRUE(enforcer.load(inputs(endpoint), noon).ok());  // anybody's at first
    EXPECT_EQ(enforcer.owns_tables(), false);
    ASSERT_TRUE(enforcer.load(owned, noon).ok());
    EXPECT_EQ(enforcer.owns_tables(), true);
  }
  EXPECT_EQ(flags(), nobody);
  Enforcer next(state_.path());
  EXPECT_TRUE(next.load(owned, noon).ok());
  EXPECT_EQ(next.owns_tables(), true);
  EXPECT_EQ(next.in_force()->number, 1U);
  ASSERT_TRUE(next.load(inputs(endpoint), noon).ok());  // and anybody's again
  EXPECT_EQ(flags(), (TableFlags{0, 0}));
  EXPECT_EQ(next.in_sync(), true);
}

TEST(FileChanges, TellsWhatCameChangedAndWent) {
  const auto changes = file_changes({{"a", "1"}, {"b", "1"}, {"c", "1"}}, {{"b", "2"}, {"c", "1"}, {"d", "1"}});
  ASSERT_EQ(changes.size(), 3U);
  EXPECT_FALSE(changes[0].sha256_after);
  EXPECT_TRUE(changes[1].sha256_before && changes[1].sha256_after);
  EXPECT_FALSE(changes[2].sha256_before);
}

}  // namespace
}  // namespace drywall
