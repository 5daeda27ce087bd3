// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel and the evaluator must agree: random policies are loaded, random packets sent through a real kernel, and
// what it logs, rule by rule and in both worlds, compared with what evaluate() says.
//   DRYWALL_SEED=N     the first seed (default: from the clock; it is printed)
//   DRYWALL_PACKETS=N  how many packets (default 4000)
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "policy/compile.h"
#include "policy/evaluate.h"
#include "render/hook_plan.h"
#include "render/lower.h"
#include "tests/differential/policed_host.h"
#include "tests/render/plan_builder.h"

namespace drywall {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// Both worlds of one random directory.
struct Worlds {
  Plan enforced;
  Plan pending;
};

Worlds random_worlds(std::uint64_t seed) {
  Inventory inventory = test::RandomInventory(seed).make();
  inventory.workload_endpoints[0].addresses = {*parse_address("10.0.0.1"), *parse_address("fd00::1")};
  inventory.workload_endpoints[1].addresses = {*parse_address("10.0.0.2"), *parse_address("fd00::2")};
  return {compile(inventory, test::here(), World::enforced), compile(inventory, test::here(), World::pending)};
}

/// A packet and how it travels: in by one interface, to the host itself (out empty) or out by another.
struct Journey {
  Packet packet;
  std::string in;
  std::string out;
};

class RandomJourneys {
 public:
  explicit RandomJourneys(std::uint64_t seed) : random_(seed) {}

  Journey next() {
    const Family family = pick(2) == 0 ? Family::v4 : Family::v6;
    static const std::array<std::string, 3> interfaces{"eth0", "cali1", "cali2"};
    Journey journey;
    journey.in = interfaces[pick(3)];
    do {
      journey.out = pick(3) == 0 ? "" : interfaces[pick(3)];
    } while (journey.out == journey.in);
    journey.packet.source = source(journey.in, family);
    journey.packet.destination = destination(journey.out, family);
    add_transport(journey.packet);
    return journey;
  }

 private:
  std::size_t pick(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_); }

  Address source(const std::string& in, Family family) {
    if (in != "eth0") return workload(in, family);
    static const std::array<const char*, 4> v4{"10.0.0.77", "10.1.2.3", "198.51.100.7", "10.2.0.9"};
    static const std::array<const char*, 3> v6{"fd01::9", "2001:db8::7", "fd02::1"};
    return *parse_address(family == Family::v4 ? v4[pick(v4.size())] : v6[pick(v6.size())]);
  }

  Address destination(const std::string& out, Family family) {
    if (out.empty()) return *parse_address(family == Family::v4 ? "203.0.113.1" : "fd99::1");
    if (out != "eth0") return workload(out, family);
    static const std::array<const char*, 4> v4{"10.2.9.9", "10.9.0.1", "10.1.0.1", "192.0.2.80"};
    static const std::array<const char*, 2> v6{"fd01::80", "2001:db8::80"};
    return *parse_address(family == Family::v4 ? v4[pick(v4.size())] : v6[pick(v6.size())]);
  }

  static Address workload(const std::string& interface, Family family) {
    return *parse_address((family == Family::v4 ? "10.0.0." : "fd00::") + interface.substr(4));
  }

  void add_transport(Packet& packet) {
    static constexpr std::array<std::uint16_t, 10> ports{80, 5, 9, 10, 999, 1000, 2000, 2001, 22, 6667};
    const Protocol ping = packet.source.family == Family::v4 ? protocol::icmp : protocol::icmpv6;
    const std::array protocols{protocol::tcp, protocol::udp, protocol::sctp, ping, Protocol{253}, protocol::udplite};
    packet.protocol = protocols[pick(protocols.size())];
    if (has_ports(packet.protocol)) {
      packet.source_port = ports[pick(ports.size())];
      packet.destination_port = ports[pick(ports.size())];
    } else if (packet.protocol == ping) {
      packet.icmp_type = ping == protocol::icmp ? 8 : 128;
      packet.icmp_code = static_cast<std::uint8_t>(pick(2));
    }
  }

  std::mt19937_64 random_;
};

/// The endpoint that governs an interface; the wildcard one only where it does not spare workloads' interfaces.
const PlannedEndpoint* governing(const Plan& plan, EndpointKind kind, LegPoint point, const std::string& interface) {
  const PlannedEndpoint* wildcard = nullptr;
  for (const PlannedEndpoint& endpoint : plan.endpoints) {
    if (endpoint.id.kind != kind) continue;
    for (const std::string& name : endpoint.interfaces) {
      if (name == interface) return &endpoint;
      if (name == "*") wildcard = &endpoint;
    }
  }
  return interface == "eth0" || point == LegPoint::forward || point == LegPoint::pre_dnat ? wildcard : nullptr;
}

/// A workload that gives an address that is not its own is not heard.
bool is_spoofed(const Journey& journey) {
  if (journey.in == "eth0") return false;
  const std::string last = journey.in.substr(4);
  return journey.packet.source != *parse_address("10.0.0." + last) &&
         journey.packet.source != *parse_address("fd00::" + last);
}

/// The legs that judge a journey, in order, each with what the evaluator says of it in both worlds.
struct Judged {
  LegPoint point;
  Direction direction;
  Bucket bucket;
  const PlannedEndpoint* enforced;
  const PlannedEndpoint* pending;

  [[nodiscard]] const PlannedEndpoint& in(World world) const { return world == World::enforced ? *enforced : *pending; }
};

/// In the order of the kernel's base chains.
std::vector<Judged> legs_of(const Worlds& worlds, const Journey& journey) {
  std::vector<Judged> legs;
  const auto add = [&](LegPoint point, Direction direction, const std::string& interface) {
    const EndpointKind kind = point == LegPoint::workload ? EndpointKind::workload : EndpointKind::host;
    const PlannedEndpoint* enforced = governing(worlds.enforced, kind, point, interface);
    const PlannedEndpoint* pending = governing(worlds.pending, kind, point, interface);
    if (enforced == nullptr) return;
    const Bucket bucket = point == LegPoint::untracked  ? Bucket::untracked
                          : point == LegPoint::pre_dnat ? Bucket::pre_dnat
                          : point == LegPoint::forward  ? Bucket::forward
                                                        : Bucket::normal;
    legs.push_back({point, direction, bucket, enforced, pending});
  };
  add(LegPoint::untracked, Direction::ingress, journey.in);
  add(LegPoint::pre_dnat, Direction::ingress, journey.in);
  if (!journey.out.empty()) add(LegPoint::forward, Direction::ingress, journey.in);
  if (journey.in != "eth0") add(LegPoint::workload, Direction::egress, journey.in);
  if (journey.out.empty() && journey.in == "eth0") add(LegPoint::host, Direction::ingress, journey.in);
  if (!journey.out.empty() && journey.out != "eth0") add(LegPoint::workload, Direction::ingress, journey.out);
  if (!journey.out.empty()) add(LegPoint::forward, Direction::egress, journey.out);
  return legs;
}

/// What one leg logs in one world, appended to `tags`; deny: the packet's way ends there.
Verdict judge(std::vector<RuleTag>& tags, const Plan& plan, const Judged& leg, bool observed, const Packet& packet) {
  const PlannedLeg* own = leg.in(plan.world).leg(leg.bucket, leg.direction);
  if (own == nullptr) return Verdict::undecided;
  for (const Bucket earlier : buckets_before(leg.bucket, leg.direction)) {
    const PlannedLeg* before = leg.in(plan.world).leg(earlier, leg.direction);
    if (before == nullptr) continue;
    const Decision decision = evaluate(plan, *before, packet);
    if (is_exempt(decision.trace) || decision.verdict == Verdict::undecided) continue;
    const Action action = decision.verdict == Verdict::allow ? Action::allow : Action::deny;
    if (observed) tags.push_back({plan.world, leg.point, leg.direction, action, decided_before_id(leg.direction)});
    return decision.verdict;
  }
  const Decision decision = evaluate(plan, *own, packet);
  const bool is_early = leg.bucket == Bucket::untracked || leg.bucket == Bucket::pre_dnat;
  if (is_early && is_exempt(decision.trace)) return Verdict::undecided;  // in silence
  for (const TraceEntry& entry : decision.trace) {
    if (entry.kind == PolicyKind::essential) continue;  // silent
    const RuleId id = entry.name.empty() ? no_profile_id(leg.direction)
                                         : rule_id({entry.kind, entry.ns, entry.name}, leg.direction, entry.rule);
    tags.push_back({plan.world, leg.point, leg.direction, entry.action, id});
  }
  return decision.verdict;
}

int stage_of(Bucket bucket) {
  return bucket == Bucket::untracked ? 0 : bucket == Bucket::pre_dnat ? 1 : 2;
}

/// Everything that the kernel must log: stage by stage the pending world of all legs, then the enforced one as far as
/// the packet comes.
std::vector<RuleTag> expected_tags(const Worlds& worlds, const Journey& journey) {
  std::vector<RuleTag> tags;
  if (is_spoofed(journey)) return tags;
  const std::vector<Judged> legs = legs_of(worlds, journey);
  for (int stage = 0; stage < 3; ++stage) {
    for (const Plan* plan : {&worlds.pending, &worlds.enforced}) {
      for (const Judged& leg : legs) {
        if (stage_of(leg.bucket) != stage) continue;
        const bool observed =
            is_observed({worlds.enforced, leg.enforced}, {worlds.pending, leg.pending}, leg.bucket, leg.direction);
        if (plan->world == World::pending && !observed) continue;
        const Verdict verdict = judge(tags, *plan, leg, observed, journey.packet);
        if (plan->world == World::enforced && verdict == Verdict::deny) return tags;
      }
    }
  }
  return tags;
}

std::string text_of(const std::vector<RuleTag>& tags) {
  std::string text;
  for (const RuleTag& tag : tags) text += to_string(tag) + " ";
  return text;
}

std::string text_of(const Journey& journey) {
  const Packet& packet = journey.packet;
  return fmt::format("{}:{} -> {}:{} {} type {} code {}, in {} out {}", to_string(packet.source), packet.source_port,
                     to_string(packet.destination), packet.destination_port, to_string(packet.protocol),
                     packet.icmp_type, packet.icmp_code, journey.in, journey.out.empty() ? "(host)" : journey.out);
}

TEST(Differential, TheKernelDoesToEveryPacketWhatTheEvaluatorSays) {
  const auto clock = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  const std::uint64_t first_seed = number_from("DRYWALL_SEED", clock % 1'000'000);
  const std::uint64_t packets = number_from("DRYWALL_PACKETS", 4000);
  constexpr std::uint64_t packets_a_directory = 40;
  fmt::print("seed {}, {} packets\n", first_seed, packets);
  test::PolicedHost host;
  std::size_t hits = 0;
  for (std::uint64_t sent = 0; sent < packets; ++sent) {
    const std::uint64_t seed = first_seed + sent / packets_a_directory;
    static Worlds worlds;
    static RandomJourneys journeys(0);
    if (sent % packets_a_directory == 0) {
      worlds = random_worlds(seed);
      journeys = RandomJourneys(seed);
      const auto ruleset = lower(worlds.enforced, worlds.pending, {});
      ASSERT_TRUE(ruleset.has_value());
      std::string refused;
      ASSERT_EQ(test::send_transaction(encode_replacement(*ruleset, {}), refused), 0) << refused;
      test::PolicedHost::ignore_checksums();
    }
    const Journey journey = journeys.next();
    const std::vector<RuleTag> expected = expected_tags(worlds, journey);
    const std::vector<RuleTag> logged = host.inject(journey.in, journey.packet, expected.size());
    ASSERT_EQ(text_of(logged), text_of(expected)) << "seed " << seed << ", packet " << sent << ": " << text_of(journey);
    hits += expected.size();
  }
  EXPECT_GT(hits, packets);  // it did look at something
}

}  // namespace
}  // namespace drywall
