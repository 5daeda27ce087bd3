// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/auto_endpoint.h"

#include <gtest/gtest.h>

#include "policy/compile.h"
#include "policy/evaluate.h"
#include "policy/parse.h"

namespace drywall {
namespace {

TEST(OsLabels, AreThoseOfOsRelease) {
  EXPECT_EQ(os_labels("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n"
                      "VERSION_CODENAME=bookworm"),
            (Labels{{"os/id", "debian"}, {"os/version-codename", "bookworm"}, {"os/version-id", "12"}}));
}

TEST(OsLabels, LeaveOutWhatCannotBeALabel) {
  EXPECT_TRUE(os_labels("").empty());
  EXPECT_TRUE(os_labels("ID=\nVERSION_ID=\"a b\"\nID_LIKE=fedora\nXID=1\nID").empty());
  EXPECT_EQ(os_labels("ID='fedora'\n"), (Labels{{"os/id", "fedora"}}));
}

TEST(AutoEndpoint, DeniesNothingByItself) {
  Inventory inventory = parse(std::vector<yaml::SourceFile>{}).inventory;
  inventory.host_endpoints.push_back(auto_endpoint("web1", {{"role", "web"}}, {}));
  Host host;
  host.node = "web1";
  const Plan plan = compile(inventory, host, World::enforced);
  ASSERT_EQ(plan.endpoints.size(), 1U);
  EXPECT_EQ(plan.endpoints[0].id.name, "web1-auto");
  EXPECT_EQ(plan.endpoints[0].interfaces, std::vector<std::string>{"*"});
  const Packet packet{*parse_address("192.0.2.1"), *parse_address("192.0.2.2"), protocol::tcp, 40000, 9, 0, 0};
  for (const PlannedLeg& leg : plan.endpoints[0].legs) {
    EXPECT_EQ(evaluate(plan, leg, packet).verdict, Verdict::allow) << to_string(leg.bucket);
  }
}

TEST(AutoEndpoint, ClashesWithADocumentThatDeclaresTheSame) {
  const HostEndpoint automatic = auto_endpoint("web1", {}, {"drywall.yaml", 1, 1});
  Inventory inventory;
  HostEndpoint written;
  written.name = "uplink";
  written.node = "web1";
  written.interface_name = "eth0";
  inventory.host_endpoints = {written};
  EXPECT_TRUE(clashes(automatic, inventory).empty());
  inventory.host_endpoints[0].interface_name = "*";
  EXPECT_EQ(clashes(automatic, inventory).size(), 1U);
  inventory.host_endpoints[0].node = "web2";
  EXPECT_TRUE(clashes(automatic, inventory).empty());
  inventory.host_endpoints[0].name = "web1-auto";
  EXPECT_EQ(clashes(automatic, inventory).size(), 1U);
}

}  // namespace
}  // namespace drywall
