// SPDX-License-Identifier: GPL-2.0-or-later
#include "flow/encounters.h"

#include <gtest/gtest.h>

#include <string>

namespace drywall {
namespace {

using std::chrono::seconds;

const Timestamp start{std::chrono::microseconds{1'700'000'000'000'000}};
const LegIdentity web{{EndpointKind::workload, "prod", "web"}, Bucket::normal, Direction::ingress};
const FlowPeer nobody;
const Trace no_trace;

Packet packet_from(std::uint32_t last_byte, std::uint16_t port = 80) {
  return {*parse_address("10.0.0." + std::to_string(last_byte)),
          *parse_address("10.1.0.1"),
          protocol::tcp,
          40000,
          port,
          0,
          0};
}

JudgedConnection connection(const Packet& packet, Timestamp at, Verdict enforced = Verdict::allow,
                            Verdict pending = Verdict::allow) {
  return {web, "eth0", packet, at, enforced, pending, nobody, nobody, no_trace};
}

std::vector<Encounter> all(const Encounters& encounters) {
  std::vector<Encounter> out;
  encounters.visit([&](const Encounter& encounter) { out.push_back(encounter); });
  return out;
}

TEST(EpochTally, CountsWhatCameSinceAnEpoch) {
  EpochTally tally;
  tally.add(start, 2, start + seconds(1));
  tally.add(start + seconds(10), 3, start + seconds(11));
  EXPECT_EQ(tally.since(start).count, 5U);
  EXPECT_EQ(tally.since(start).first, start + seconds(1));
  EXPECT_EQ(tally.since(start).last, start + seconds(11));
  EXPECT_EQ(tally.since(start + seconds(10)).count, 3U);
  EXPECT_EQ(tally.since(start + seconds(20)).count, 0U);
}

TEST(EpochTally, NeverOverstatesWhatCameSinceAnEpochThatWasJoined) {
  EpochTally tally;
  for (int epoch = 0; epoch < 20; ++epoch) tally.add(start + seconds(epoch), 1, start + seconds(epoch));
  EXPECT_EQ(tally.parts().size(), EpochTally::most);
  EXPECT_EQ(tally.since(start).count, 20U);
  for (int epoch = 0; epoch < 20; ++epoch) {
    EXPECT_LE(tally.since(start + seconds(epoch)).count, static_cast<std::uint64_t>(20 - epoch)) << epoch;
  }
  EXPECT_EQ(tally.since(start + seconds(19)).count, 1U);
}

TEST(EpochTally, DropsPartsThatAreNotInOrder) {
  EXPECT_TRUE(EpochTally({{start, {1, start, start}}, {start, {1, start, start}}}).parts().empty());
  EXPECT_TRUE(EpochTally(std::vector<EpochTally::Part>(9)).parts().empty());
  EXPECT_EQ(EpochTally({{start, {1, start, start}}}).parts().size(), 1U);
}

TEST(Encounters, TellApartWhatPolicyCanTellApart) {
  Encounters encounters;
  encounters.begin_epoch(start);
  Packet again = packet_from(1);
  again.source_port = 50000;
  encounters.add(connection(packet_from(1), start));
  encounters.add(connection(again, start + seconds(1)));
  encounters.add(connection(packet_from(1, 81), start));
  encounters.add(connection(packet_from(2), start));
  ASSERT_EQ(encounters.size(), 3U);
  for (const Encounter& encounter : all(encounters)) {
    if (encounter.packet != again) continue;
    EXPECT_EQ(encounter.connections.since(start).count, 2U);
    return;
  }
  FAIL() << "the latest packet is not kept";
}

TEST(Encounters, PutLogsFromBeforeAnEpochIntoTheOneBefore) {
  Encounters encounters;
  encounters.begin_epoch(start);
  encounters.begin_epoch(start + seconds(10));
  encounters.add(connection(packet_from(1), start + seconds(9)));
  encounters.add(connection(packet_from(1), start + seconds(11)));
  EXPECT_EQ(all(encounters)[0].connections.since(start + seconds(10)).count, 1U);
  EXPECT_EQ(all(encounters)[0].connections.since(start).count, 2U);
}

TEST(Encounters, ForgetWhatBothWorldsDenyBeforeTheRest) {
  Encounters encounters({.telling = 2, .denied = 2});
  encounters.begin_epoch(start);
  encounters.add(connection(packet_from(1), start));
  for (std::uint32_t scanner = 100; scanner < 200; ++scanner) {
    encounters.add(connection(packet_from(scanner), start, Verdict::deny, Verdict::deny));
  }
  EXPECT_EQ(encounters.size(), 3U);
  EXPECT_EQ(encounters.forgotten(), 98U);
  EXPECT_EQ(all(encounters)[0].packet, packet_from(1));
}

TEST(Encounters, TakeInOnlySoMuchOfAFloodThatBothWorldsDeny) {
  Encounters encounters({.telling = 100, .denied = 100, .denied_a_second = 3});
  for (std::uint32_t scanner = 100; scanner < 110; ++scanner) {
    encounters.add(connection(packet_from(scanner), start, Verdict::deny, Verdict::deny));
  }
  encounters.add(connection(packet_from(1), start));
  EXPECT_EQ(encounters.size(), 4U);
  EXPECT_EQ(encounters.forgotten(), 7U);
  encounters.add(connection(packet_from(110), start + seconds(1), Verdict::deny, Verdict::deny));
  EXPECT_EQ(encounters.size(), 5U);
}

TEST(Encounters, ForgetWhatWasNotSeenForLongest) {
  Encounters encounters({.telling = 2, .denied = 2});
  for (const std::uint32_t source : {1U, 2U, 1U, 3U}) encounters.add(connection(packet_from(source), start));
  EXPECT_EQ(all(encounters)[0].packet, packet_from(1));
  EXPECT_EQ(all(encounters)[1].packet, packet_from(3));
}

TEST(Encounters, TellWhatChangedAndWhatWasForgotten) {
  Encounters encounters({.telling = 1, .denied = 1});
  encounters.add(connection(packet_from(1), start));
  EXPECT_EQ(encounters.take_changes().size(), 1U);
  EXPECT_TRUE(encounters.take_changes().empty());
  encounters.add(connection(packet_from(2), start));
  std::size_t forgotten = 0;
  for (const Encounters::Change& change : encounters.take_changes()) forgotten += change.encounter ? 0U : 1U;
  EXPECT_EQ(forgotten, 1U);
}

}  // namespace
}  // namespace drywall
