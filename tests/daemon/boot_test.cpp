// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/boot.h"

#include <gtest/gtest.h>

#include "daemon/enforcer.h"
#include "tests/daemon/kernel.h"

namespace drywall {
namespace {

using testing::TemporaryDirectory;

Inputs with_endpoint() {
  Inputs inputs;
  inputs.files = {{"p/a.yaml", R"(
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: here}
spec: {node: node1, interfaceName: eth0}
)"}};
  inputs.machine = {"node1", {{"eth0", {}}}, {}};
  return inputs;
}

class Boot : public testing::Kernel {
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
  static TableComments in_kernel() { return NftSocket::open().value().read_comments().value(); }
  void save() const {
    Enforcer enforcer(state_.path());
    ASSERT_TRUE(enforcer.load(with_endpoint(), {}).ok());
  }
  const TemporaryDirectory state_;
};

TEST_F(Boot, PutsInForceWhatWasInForceLast) {
  save();
  const TableComments before = in_kernel();
  remove_tables();
  EXPECT_EQ(load_at_boot(state_.path()).value(), "generation 1 is in force");
  EXPECT_NE(before, TableComments{});
  EXPECT_EQ(in_kernel(), before);
}

TEST_F(Boot, LeavesTheDaemonNothingToDo) {
  save();
  remove_tables();
  ASSERT_TRUE(load_at_boot(state_.path()));
  Enforcer enforcer(state_.path());
  EXPECT_EQ(enforcer.load(with_endpoint(), {}).result, Loaded::Result::unchanged);
  EXPECT_EQ(enforcer.is_whole(), true);
}

TEST_F(Boot, LeavesTablesAloneThatAreThere) {
  save();
  EXPECT_EQ(load_at_boot(state_.path()).value(), "the kernel holds our tables already: nothing changed");
}

TEST_F(Boot, SaysThatNothingWasSaved) {
  EXPECT_EQ(load_at_boot(state_.path()).value(),
            "no generation was saved: the policy directory is in force when drywalld has started");
  EXPECT_EQ(in_kernel(), TableComments{});
}

TEST(ForgetOwner, MakesTheBatchThatOfTablesWhichAreAnybodys) {
  Ruleset ruleset;
  ruleset.tables.resize(2);
  ruleset.tables[1].family = Family::v6;
  ruleset.tables[1].enforce.chains = {{{"input"}, BaseHook{Hook::input, 0}, {}}};
  const auto batch_for = [&](TableOwner owner) {
    return encode_replacement(ruleset, {.generation = "x", .owner = owner, .held = {owner, owner}}).bytes;
  };
  std::vector<std::byte> batch = batch_for(TableOwner::sender);
  ASSERT_NE(batch, batch_for(TableOwner::anybody));
  forget_owner(batch);
  EXPECT_EQ(batch, batch_for(TableOwner::anybody));
}

TEST_F(Boot, CanBeUndone) {
  save();
  ASSERT_TRUE(remove_rules());
  EXPECT_EQ(in_kernel(), TableComments{});
  EXPECT_EQ(remove_rules().value(), "the kernel holds no rules of ours");
}

TEST_F(Boot, LoadsNothingOfABatchThatWasChanged) {
  save();
  remove_tables();
  const std::string path = state_ / "last-good/ruleset.batch";
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 4);
  ASSERT_FALSE(load_at_boot(state_.path()));
  EXPECT_EQ(in_kernel(), TableComments{});
}

}  // namespace
}  // namespace drywall
