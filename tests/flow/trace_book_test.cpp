// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "tests/flow/nflog_bytes.h"
#include "tests/flow/scene.h"

namespace drywall {
namespace {

using namespace test;

constexpr auto in = Direction::ingress;
constexpr auto out_of = Direction::egress;

TEST(TraceBook, ResolvesRulesEndsOfTierAndTheFinalDeny) {
  const auto book = scene_book();
  const auto rule = book->entry(World::enforced, in, rule_id(web, in, 0));
  ASSERT_TRUE(rule);
  EXPECT_EQ(*rule, (TraceEntry{"default", web.kind, "", "default.web", 0, Action::allow, {"policy.yaml", 10, 5}}));
  const auto end = book->entry(World::enforced, in, rule_id(guard, in, -1));
  ASSERT_TRUE(end);
  EXPECT_EQ(*end, (TraceEntry{"security", guard.kind, "", "security.guard", -1, Action::deny, {"policy.yaml", 1, 1}}));
  EXPECT_EQ(book->entry(World::enforced, in, no_profile_id(in)), no_profile_entry());
}

TEST(TraceBook, IdsOfTheOtherWorldOrDirectionDoNotResolve) {
  const auto book = scene_book();
  EXPECT_TRUE(book->entry(World::pending, in, rule_id(audit, in, 0)));
  EXPECT_FALSE(book->entry(World::enforced, in, rule_id(audit, in, 0)));
  EXPECT_FALSE(book->entry(World::pending, out_of, rule_id(audit, in, 0)));
  EXPECT_FALSE(book->entry(World::pending, out_of, rule_id(guard, in, -1)));
  EXPECT_FALSE(book->entry(World::pending, in, 0));
}

TEST(TraceBook, FindsLegsByPlaceAndInterface) {
  const auto book = scene_book();
  const auto* host = book->leg(LegPoint::host, in, "eth0", {});
  ASSERT_NE(host, nullptr);
  EXPECT_EQ(host->endpoint.name, "edge");
  EXPECT_TRUE(host->observed);
  const auto* workload = book->leg(LegPoint::workload, out_of, "cali1", {});
  ASSERT_NE(workload, nullptr);
  EXPECT_EQ(workload->endpoint.name, "a");
  EXPECT_EQ(book->leg(LegPoint::workload, in, "cali1", {}), nullptr);
  EXPECT_EQ(book->leg(LegPoint::host, in, "eth1", {}), nullptr);
  EXPECT_EQ(book->leg(LegPoint::host, in, "", {}), nullptr);
  EXPECT_FALSE(book->leg(LegPoint::workload, in, "cali2", {})->observed);
}

TEST(TraceBook, LegOfOneWorldOnlyIsObserved) {
  const auto book = scene_book();
  const auto* leg = book->leg(LegPoint::forward, in, "eth0", {});
  ASSERT_NE(leg, nullptr);
  EXPECT_EQ(leg->enforced, nullptr);
  EXPECT_NE(leg->pending, nullptr);
  EXPECT_TRUE(leg->observed);
}

std::shared_ptr<const TraceBook> book_of_interfaces(std::vector<std::string> interfaces) {
  PlanMaker maker{World::enforced};
  maker.plan().endpoints.reserve(interfaces.size());
  for (const std::string& interface : interfaces) {
    auto& made = maker.endpoint({EndpointKind::host, "", "host-" + interface}, interface, {});
    made.legs.push_back({Bucket::normal, in, std::nullopt, std::nullopt, {}, {}, Ending::deny});
  }
  const auto plan = maker.take();
  const std::vector<Interface> host{{"eth0", {address("192.0.2.1")}}, {"wg0", {address("10.8.0.1")}}};
  return std::make_shared<const TraceBook>(1, plan, plan, Inventory{}, host);
}

TEST(TraceBook, EveryOtherInterfaceIsTheStarEndpoints) {
  const auto book = book_of_interfaces({"eth0", "*"});
  EXPECT_EQ(book->leg(LegPoint::host, in, "eth0", {})->endpoint.name, "host-eth0");
  EXPECT_EQ(book->leg(LegPoint::host, in, "wg0", {})->endpoint.name, "host-*");
}

TEST(TraceBook, UnknownInterfaceIsTheStarEndpointsOnlyIfThereIsNoOther) {
  EXPECT_EQ(book_of_interfaces({"eth0", "*"})->leg(LegPoint::host, in, "", {}), nullptr);
  const auto book = book_of_interfaces({"*"});
  ASSERT_NE(book->leg(LegPoint::host, in, "", {}), nullptr);
}

TEST(TraceBook, HostsOwnAddressesBelongToTheEndpointOfTheirInterface) {
  const auto book = book_of_interfaces({"eth0", "*"});
  EXPECT_EQ(book->peer(address("192.0.2.1")).name, "host-eth0");
  EXPECT_EQ(book->peer(address("10.8.0.1")).name, "host-*");
  EXPECT_EQ(book->peer(address("10.8.0.1")).type, FlowPeer::Type::host);
}

TEST(TraceBook, KnowsPeers) {
  const auto book = scene_book();
  EXPECT_EQ(book->peer(address("10.1.0.1")), (FlowPeer{FlowPeer::Type::workload, "shop", "a", {{"app", "front"}}}));
  EXPECT_EQ(book->peer(address("192.0.2.1")), (FlowPeer{FlowPeer::Type::host, "", "edge", {{"role", "edge"}}}));
  EXPECT_EQ(book->peer(address("198.51.100.9")), (FlowPeer{FlowPeer::Type::network_set, "", "partners", {}}));
  EXPECT_EQ(book->peer(address("8.8.8.8")), (FlowPeer{FlowPeer::Type::network, "", "pub", {}}));
}

TEST(TraceBook, PrivateNetworksAreRfc1918UniqueLocalAndLinkLocal) {
  const auto book = scene_book();
  for (const char* text : {"10.9.9.9", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.1.1", "fc00::1",
                           "fdff::1", "fe80::1", "febf::1"}) {
    EXPECT_EQ(book->peer(address(text)).name, "pvt") << text;
  }
  for (const char* text :
       {"11.0.0.0", "172.32.0.1", "172.15.0.1", "192.169.0.1", "100.64.0.1", "2001:db8::1", "fec0::1"}) {
    EXPECT_EQ(book->peer(address(text)).name, "pub") << text;
  }
}

TEST(TraceBook, LongestPrefixNamesTheNetworkSetThenTheFirstName) {
  Inventory inventory;
  const auto add = [&](std::string name, std::string_view net) {
    NetworkSet set;
    set.name = std::move(name);
    set.nets = {parse_prefix(net).value()};
    inventory.network_sets.push_back(set);
  };
  add("wide", "203.0.113.0/24");
  add("narrow", "203.0.113.64/26");
  add("also-narrow", "203.0.113.64/26");
  add("six", "2001:db8::/32");
  const TraceBook book{1, scene_plan(World::enforced), scene_plan(World::pending), inventory};
  EXPECT_EQ(book.peer(address("203.0.113.1")).name, "wide");
  EXPECT_EQ(book.peer(address("203.0.113.65")).name, "also-narrow");
  EXPECT_EQ(book.peer(address("2001:db8:1::1")).name, "six");
}

TEST(TraceBook, StepsFollowTheTiersInOrder) {
  const auto book = scene_book();
  const auto& leg = *book->leg(LegPoint::host, in, "eth0", {});
  const auto pass = book->step(leg, World::enforced, 0, rule_id(guard, in, 1), Action::pass);
  ASSERT_TRUE(pass);
  EXPECT_FALSE(pass->closes);
  EXPECT_FALSE(book->step(leg, World::enforced, 1, rule_id(guard, in, 1), Action::pass));
  EXPECT_FALSE(book->step(leg, World::enforced, 0, rule_id(web, in, 0), Action::allow));
  const auto allow = book->step(leg, World::enforced, 1, rule_id(web, in, 0), Action::allow);
  ASSERT_TRUE(allow);
  EXPECT_TRUE(allow->closes);
  EXPECT_EQ(allow->verdict, Verdict::allow);
}

TEST(TraceBook, StepWithAnotherActionThanTheRulesIsNone) {
  const auto book = scene_book();
  const auto& leg = *book->leg(LegPoint::host, in, "eth0", {});
  EXPECT_FALSE(book->step(leg, World::enforced, 0, rule_id(guard, in, 1), Action::allow));
}

TEST(TraceBook, FailsafeStepComesFirstOnly) {
  const auto book = scene_book();
  const auto& leg = *book->leg(LegPoint::host, in, "eth0", {});
  const auto safe = book->step(leg, World::enforced, 0, rule_id(failsafe, in, 0), Action::allow);
  ASSERT_TRUE(safe);
  EXPECT_TRUE(safe->closes);
  EXPECT_TRUE(safe->exempt);
  EXPECT_FALSE(book->step(leg, World::enforced, 1, rule_id(failsafe, in, 0), Action::allow));
}

TEST(TraceBook, LastPassOfAnUndecidedLegCloses) {
  const auto book = scene_book();
  const auto& leg = *book->leg(LegPoint::untracked, in, "eth0", {});
  const auto end = book->step(leg, World::enforced, 0, rule_id(ntp, in, -1), Action::pass);
  ASSERT_TRUE(end);
  EXPECT_TRUE(end->closes);
  EXPECT_EQ(end->verdict, Verdict::undecided);
}

TEST(TraceBook, FinalDenyComesAfterAllTiersOfALegThatEndsSo) {
  const auto book = book_of_interfaces({"eth0"});
  const auto& leg = *book->leg(LegPoint::host, in, "eth0", {});
  EXPECT_TRUE(book->step(leg, World::enforced, 0, no_profile_id(in), Action::deny));
  const auto scene = scene_book();
  EXPECT_FALSE(scene->step(*scene->leg(LegPoint::untracked, in, "eth0", {}), World::enforced, 1, no_profile_id(in),
                           Action::deny));
  EXPECT_FALSE(
      scene->step(*scene->leg(LegPoint::host, in, "eth0", {}), World::enforced, 1, no_profile_id(in), Action::deny));
}

}  // namespace
}  // namespace drywall
