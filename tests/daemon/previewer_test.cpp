// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/previewer.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace drywall {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;

const Machine machine{"node1", {{"eth0", {*parse_address("10.0.0.1")}}, {"lo", {}}}, {{1, "lo"}, {2, "eth0"}}};
const PolicyId closed{PolicyKind::staged_global_network_policy, "", "closed"};
const Timestamp noon{std::chrono::microseconds{1'700'000'000'000'000}};

constexpr const char* staged = R"(
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: here, labels: {role: web}}
spec: {node: node1, interfaceName: eth0}
---
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: closed}
spec: {selector: role == 'web', types: [Ingress], ingress: [{action: Deny}]}
)";

class PreviewerTest : public testing::Test {
 protected:
  PreviewerTest() {
    std::string pattern = fs::temp_directory_path() / "drywall-previewer-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    const std::vector<yaml::SourceFile> files{{"p/staged.yaml", staged}};
    in_force_.generation = build(files, {}, machine).generation;
    in_force_.inputs = std::make_shared<const Inputs>();
    const Generation& generation = *in_force_.generation;
    book_.emplace(1, generation.enforced, generation.pending, generation.inventory, generation.host.interfaces);
  }
  ~PreviewerTest() override { fs::remove_all(directory_); }

  void follow(Previewer& previewer, Timestamp now) const { previewer.follow(in_force_, *book_, now); }

  std::string directory_;
  InForce in_force_;
  std::optional<TraceBook> book_;
};

TEST_F(PreviewerTest, KnowsSinceWhenAPolicySaysWhatItSays) {
  Previewer previewer(directory_, [](const FirstWouldDeny&) {});
  follow(previewer, noon);
  follow(previewer, noon + hours(1));
  EXPECT_EQ(previewer.since(closed), noon);
}

TEST_F(PreviewerTest, ObservationBeginsWhereTheClockWasSetBackTo) {
  Previewer previewer(directory_, [](const FirstWouldDeny&) {});
  follow(previewer, noon);
  previewer.tick(noon, 0);
  previewer.tick(noon - hours(10), 0);
  EXPECT_EQ(previewer.since(closed), noon - hours(10));
  previewer.tick(noon - hours(9), 0);
  EXPECT_EQ(previewer.since(closed), noon - hours(10));
}

TEST_F(PreviewerTest, ClockThatWasSetBackWhileNobodyRanIsNoticed) {
  {
    Previewer previewer(directory_, [](const FirstWouldDeny&) {});
    follow(previewer, noon);
    previewer.tick(noon, 0);
  }
  Previewer previewer(directory_, [](const FirstWouldDeny&) {});
  follow(previewer, noon - hours(10));
  EXPECT_EQ(previewer.since(closed), noon - hours(10));
}

}  // namespace
}  // namespace drywall
