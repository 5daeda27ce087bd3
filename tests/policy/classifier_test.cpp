// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/classifier.h"

#include <gtest/gtest.h>

#include "policy/compile.h"
#include "tests/render/plan_builder.h"

namespace drywall {
namespace {

class RandomPackets {
 public:
  explicit RandomPackets(std::uint64_t seed) : random_(seed) {}

  Packet next() {
    static const std::array v4{*parse_address("10.0.0.1"), *parse_address("10.0.0.77"), *parse_address("10.1.2.3"),
                               *parse_address("10.2.9.9"), *parse_address("10.9.0.1"),  *parse_address("192.0.2.1")};
    static const std::array v6{*parse_address("fd00::2"), *parse_address("fd01::9"), *parse_address("2001:db8::1")};
    static constexpr std::array protocols{protocol::tcp,  protocol::udp,    protocol::sctp,
                                          protocol::icmp, protocol::icmpv6, Protocol{47}};
    static constexpr std::array<std::uint16_t, 7> ports{80, 5, 9, 10, 999, 1000, 2000};
    Packet packet;
    const bool six = pick(3) == 0;
    packet.source = six ? v6[pick(v6.size())] : v4[pick(v4.size())];
    packet.destination = six ? v6[pick(v6.size())] : v4[pick(v4.size())];
    packet.protocol = protocols[pick(protocols.size())];
    if (has_ports(packet.protocol)) {
      packet.source_port = ports[pick(ports.size())];
      packet.destination_port = ports[pick(ports.size())];
    } else if (packet.protocol == protocol::icmp || packet.protocol == protocol::icmpv6) {
      packet.icmp_type = pick(2) == 0 ? 8 : 3;
      packet.icmp_code = static_cast<std::uint8_t>(pick(2));
    }
    return packet;
  }

 private:
  std::size_t pick(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_); }
  std::mt19937_64 random_;
};

TEST(Classifier, AnswersAsTheWalkOverTheRulesDoes) {
  std::size_t denied = 0;
  std::size_t allowed = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Inventory inventory = test::RandomInventory(seed).make();
    for (const World world : {World::enforced, World::pending}) {
      const Plan plan = compile(inventory, test::here(), world);
      Classifier classifier(plan);
      RandomPackets packets(seed);
      for (int i = 0; i < 100; ++i) {
        const Packet packet = packets.next();
        for (const PlannedEndpoint& endpoint : plan.endpoints) {
          for (const PlannedLeg& leg : endpoint.legs) {
            const Decision walked = evaluate(plan, leg, packet);
            ASSERT_EQ(classifier.evaluate(leg, packet), walked) << "seed " << seed << ", packet " << i;
            ++(walked.verdict == Verdict::deny ? denied : allowed);
          }
        }
      }
    }
  }
  EXPECT_GT(denied, 1000U);
  EXPECT_GT(allowed, 1000U);
}

}  // namespace
}  // namespace drywall
