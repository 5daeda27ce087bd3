// SPDX-License-Identifier: GPL-2.0-or-later
// A promotion keeps what its preview promised: random policy directories with staged policies are loaded, random
// packets sent through a real kernel, all staged policies promoted in the text of the files, and the same packets sent
// again. On every leg the enforced trace and verdict must be what the pending ones were, and the packet must come
// through or not as they said. What is broken is made small and printed as a file for tests/differential/cases.
//   DRYWALL_SEED=N              the first seed (default: from the clock; it is printed)
//   DRYWALL_PROMOTED_PACKETS=N  how many packets are compared (default 5000)
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>

#include "tests/differential/promise.h"
#include "tests/differential/random_documents.h"
#include "tests/differential/random_journeys.h"
#include "tests/differential/test_network.h"
#include "tests/differential/trial.h"
#include "tests/differential/witness.h"

namespace drywall::test {
namespace {

/// Every packet through one generation.
std::vector<PacketSeen> seen_in(const JudgedDirectory& directory, const std::vector<Journey>& journeys,
                                std::shared_ptr<Witness>& witness) {
  witness = std::make_shared<Witness>(the_policed_host(), directory);
  std::vector<PacketSeen> seen;
  for (const Journey& journey : journeys) seen.push_back(witness->see(journey));
  return seen;
}

/// What is broken, and by which of the packets.
struct Broken {
  std::string what;
  std::size_t journey = 0;
};

std::optional<Broken> broken_by(const Promotion& promotion, const std::vector<Journey>& journeys, Compared& compared) {
  const auto before = read_directory(promotion.before);
  if (before == nullptr) return std::nullopt;
  if (!promotion.refusals.empty()) return Broken{"not promoted: " + to_string(promotion.refusals.front()), 0};
  const auto after = read_directory(promotion.after);
  if (after == nullptr) return Broken{"what is promoted is no directory without mistakes", 0};
  std::shared_ptr<Witness> promising;
  std::shared_ptr<Witness> keeping;
  if (auto why = refusal(the_policed_host(), *before)) return Broken{*why, 0};
  const std::vector<PacketSeen> promised = seen_in(*before, journeys, promising);
  if (auto why = refusal(the_policed_host(), *after)) return Broken{*why, 0};
  const std::vector<PacketSeen> kept = seen_in(*after, journeys, keeping);
  for (std::size_t i = 0; i < journeys.size(); ++i) {
    auto broken = broken_promise(journeys[i], promising->book(), promised[i], kept[i], compared);
    if (broken) return Broken{*broken, i};
  }
  return std::nullopt;
}

/// What the host sends to a group comes back to it as a copy. Where connection tracking knows nothing of it, the copy
/// is judged too, as a packet that is there only if the first one is let through; what claims to be such a copy, and
/// was untracked, is not judged.
bool is_own_multicast(const Journey& journey) {
  const Packet& packet = journey.crafted.packet;
  if (!is_group(packet.destination)) return false;
  return journey.in.empty() ? tracking_of(journey.crafted) == Tracking::invalid : link_to(packet.source) == "lo";
}

std::vector<Journey> random_journeys(std::uint64_t seed, std::size_t count) {
  RandomJourneys random(seed);
  std::vector<Journey> journeys;
  while (journeys.size() < count) {
    Journey journey = random.next();
    journey.sequels.clear();
    if (!is_own_multicast(journey)) journeys.push_back(std::move(journey));
  }
  return journeys;
}

/// As a fault of one packet, for what makes it small.
std::optional<std::string> breaks(const Shrink::Case& tried, std::size_t files) {
  Compared ignored;
  const auto broken = broken_by(promotion_of(spread(tried.documents, files)), {tried.journey}, ignored);
  return broken ? std::optional(broken->what) : std::nullopt;
}

TEST(Fidelity, OfWhatOnceWentWrongIsKept) {
  for (const KnownCase& known : known_cases()) {
    ASSERT_TRUE(known.journey) << known.file;
    const yaml::SourceFile file{"case.yaml", known.yaml};
    Compared compared;
    const auto broken = broken_by(promotion_of({file}), {*known.journey}, compared);
    EXPECT_FALSE(broken) << known.file << ": " << broken->what;
    EXPECT_EQ(compared.packets, 1U) << known.file;
  }
}

/// Whatever is rare is not asked of a short run.
void expect_everything_compared(const Compared& compared) {
  if (compared.packets < 5'000) return;
  EXPECT_GT(compared.changed, compared.packets / 100);
  EXPECT_GT(compared.legs, compared.packets / 4);
  EXPECT_GT(compared.ends_of_tier, compared.packets / 100);
  EXPECT_GT(compared.stopped_before, 0U);
  if (compared.packets < 50'000) return;
  EXPECT_GT(compared.predicted, 0U);
  EXPECT_GT(compared.first_reached, 0U);
}

TEST(Fidelity, PromotionDoesToEveryPacketWhatItsPreviewSaid) {
  const std::uint64_t begin = first_seed();
  const std::uint64_t packets = number_from("DRYWALL_PROMOTED_PACKETS", 5'000);
  const std::size_t packets_a_directory = packets > 20'000 ? 200 : 50;
  fmt::print("seed {}, {} packets\n", begin, packets);
  Compared compared;
  std::uint64_t replaced = 0;
  std::uint64_t deleted = 0;
  for (std::uint64_t seed = begin; compared.packets < packets; ++seed) {
    const Documents documents = random_documents(seed, seed % 2 == 0 ? EarlyPolicies::none : EarlyPolicies::allowed);
    const std::size_t files = 1 + seed % 3;
    const Promotion promotion = promotion_of(spread(documents, files));
    const std::vector<Journey> journeys = random_journeys(seed, packets_a_directory);
    const auto broken = broken_by(promotion, journeys, compared);
    const Fault fault = [&](const Shrink::Case& tried) { return breaks(tried, files); };
    ASSERT_FALSE(broken) << "seed " << seed << ", packet " << broken->journey << ": " << broken->what
                         << shrunk({documents, journeys[broken->journey]}, fault);
    replaced += promotion.replaced;
    deleted += promotion.deleted;
  }
  fmt::print("{} packets, {} let through or stopped by the promotion, {} tracked in one world only\n", compared.packets,
             compared.changed, compared.elsewhere);
  fmt::print("{} policies replaced, {} deletions\n", replaced, deleted);
  fmt::print("{} legs, {} of them predicted in part; {} ends of tier\n", compared.legs, compared.predicted,
             compared.ends_of_tier);
  fmt::print("{} legs not reached, as said; {} first reached; {} too many behind DNAT\n", compared.stopped_before,
             compared.first_reached, compared.behind_dnat);
  expect_everything_compared(compared);
  if (packets >= 5'000) {
    EXPECT_GT(replaced, 0U);
    EXPECT_GT(deleted, 0U);
  }
}

}  // namespace
}  // namespace drywall::test
