// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel and the evaluator must agree: random policy directories are loaded, random packets sent through a real
// kernel, and what it does with them and what it logs, rule by rule and in both worlds, compared with what judge()
// says. What they disagree about is made small and printed as a file for tests/differential/cases, which are tried
// first.
//   DRYWALL_SEED=N     the first seed (default: from the clock; it is printed)
//   DRYWALL_PACKETS=N  how many pairs of a directory and a journey (default 20000)
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/differential/conversation.h"
#include "tests/differential/random_documents.h"
#include "tests/differential/random_journeys.h"
#include "tests/differential/trial.h"

namespace drywall::test {
namespace {

PolicedHost& host() {
  return the_policed_host();
}

std::optional<std::string> refused(const Shrink::Case& tried) {
  const auto directory = read_directory(to_yaml(tried.documents));
  return directory == nullptr ? std::nullopt : refusal(host(), *directory);
}

std::optional<std::string> differs(const Shrink::Case& tried) {
  const auto directory = read_directory(to_yaml(tried.documents));
  if (directory == nullptr || refusal(host(), *directory)) return std::nullopt;
  return difference(host(), *directory, tried.journey);
}

TEST(Differential, WhatOnceWentWrongIsRight) {
  for (const KnownCase& known : known_cases()) {
    ASSERT_TRUE(known.journey) << known.file;
    const auto directory = read_directory(known.yaml);
    ASSERT_NE(directory, nullptr) << known.file;
    const auto why = refusal(host(), *directory);
    ASSERT_FALSE(why) << known.file << ": " << *why;
    const auto found = difference(host(), *directory, *known.journey);
    EXPECT_FALSE(found) << known.file << ": " << *found;
  }
}

/// What a run must have seen the kernel do, as PolicedHost::tally() calls it: if it is not very short each leg and
/// fate, if it is long each leg with each action.
void expect_everything_seen(std::uint64_t packets) {
  const auto saw = [](const std::string& beginning) {
    const auto found = host().tally().lower_bound(beginning);
    return found != host().tally().end() && found->first.starts_with(beginning);
  };
  if (packets < 20'000) return;
  for (const char* fate : {"dropped", "delivered", "sent by eth0", "sent by cali1", "sent by br0"}) {
    EXPECT_TRUE(saw(fate)) << fate;
  }
  const std::string_view actions = packets < 500'000 ? std::string_view() : "ADP";
  for (const char* leg : {"ui", "ue", "pi", "ni", "ne", "fi", "fe", "wi", "we"}) {
    for (const char world : {'e', 'p'}) {
      EXPECT_TRUE(saw(world + std::string(leg))) << world << leg;
      for (const char action : actions) EXPECT_TRUE(saw(world + std::string(leg) + action)) << world << leg << action;
    }
  }
}

TEST(Differential, TheKernelDoesToEveryPacketWhatTheEvaluatorSays) {
  const std::uint64_t begin = first_seed();
  const std::uint64_t packets = number_from("DRYWALL_PACKETS", 20'000);
  constexpr std::uint64_t packets_a_directory = 100;
  fmt::print("seed {}, {} packets\n", begin, packets);
  for (std::uint64_t sent = 0, seed = begin; sent < packets; ++seed) {
    const Documents documents = random_documents(seed, seed % 2 == 0 ? EarlyPolicies::none : EarlyPolicies::allowed);
    const auto directory = read_directory(to_yaml(documents));
    ASSERT_NE(directory, nullptr) << "seed " << seed;
    const auto why = refusal(host(), *directory);
    ASSERT_FALSE(why) << "seed " << seed << ": " << *why << shrunk({documents, {}}, refused);
    RandomJourneys journeys(seed);
    for (std::uint64_t i = 0; i < packets_a_directory && sent < packets; ++i, ++sent) {
      const Journey journey = journeys.next();
      const auto found = difference(host(), *directory, journey);
      ASSERT_FALSE(found) << "seed " << seed << ", packet " << i << "\n"
                          << *found << shrunk({documents, journey}, differs);
    }
  }
  expect_everything_seen(packets);
}

TEST(Journeys, AreReadAsTheyAreWritten) {
  RandomJourneys journeys(1);
  for (int i = 0; i < 1000; ++i) {
    const Journey journey = journeys.next();
    EXPECT_EQ(parse_journey(to_string(journey)), journey) << to_string(journey);
  }
  EXPECT_EQ(parse_journey("in=eth0 protocol=none"), std::nullopt);
}

}  // namespace
}  // namespace drywall::test
