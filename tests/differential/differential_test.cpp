// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel and the evaluator must agree: random policy directories are loaded, random packets sent through a real
// kernel, and what it does with them and what it logs, rule by rule and in both worlds, compared with what judge()
// says. What they disagree about is made small and printed as a file for tests/differential/cases, which are tried
// first.
//   DRYWALL_SEED=N     the first seed (default: from the clock; it is printed)
//   DRYWALL_PACKETS=N  how many pairs of a directory and a journey (default 20000)
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>

#include "policy/parse.h"
#include "tests/differential/conversation.h"
#include "tests/differential/random_documents.h"
#include "tests/differential/random_journeys.h"
#include "tests/differential/shrink.h"

namespace drywall::test {
namespace {

using Shrink = Shrinker<Journey>;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

PolicedHost& host() {
  static PolicedHost only;
  return only;
}

bool has_errors(const Parsed& parsed) {
  return std::ranges::any_of(parsed.diagnostics, [](const Diagnostic& d) { return d.severity == Severity::error; });
}

/// A directory without mistakes; nothing otherwise.
std::unique_ptr<JudgedDirectory> read(const std::string& yaml) {
  const std::vector<yaml::SourceFile> files{{"case.yaml", yaml}};
  const Parsed parsed = parse(files);
  return has_errors(parsed) ? nullptr : std::make_unique<JudgedDirectory>(parsed.inventory);
}

/// Puts the directory into the kernel; why not, if it is refused.
std::optional<std::string> refusal(const JudgedDirectory& directory) {
  const auto ruleset = directory.ruleset();
  if (!ruleset) return "lower() refuses it: " + to_string(ruleset.error().front());
  std::string object;
  const int error = host().load(*ruleset, object);
  if (error == 0) return std::nullopt;
  return fmt::format("the kernel refuses it: {}: {}\n", object, std::strerror(error));
}

/// What is wrong with a case, if anything; a case whose documents make no directory is none.
using Fault = std::function<std::optional<std::string>(const Shrink::Case&)>;

std::optional<std::string> refused(const Shrink::Case& tried) {
  const auto directory = read(to_yaml(tried.documents));
  return directory == nullptr ? std::nullopt : refusal(*directory);
}

std::optional<std::string> differs(const Shrink::Case& tried) {
  const auto directory = read(to_yaml(tried.documents));
  if (directory == nullptr || refusal(*directory)) return std::nullopt;
  return difference(host(), *directory, tried.journey);
}

/// The fault of a case made small, and its file: the journey, then the documents.
std::string shrunk(const Shrink::Case& wrong, const Fault& fault) {
  if (!fault(wrong)) return "it does not happen again\n";
  const auto still_wrong = [&](const Shrink::Case& candidate) { return fault(candidate).has_value(); };
  const Shrink::Case small = Shrink(wrong, still_wrong, simpler).run();
  return *fault(small) + "# " + to_string(small.journey) + "\n" + to_yaml(small.documents);
}

TEST(Differential, WhatOnceWentWrongIsRight) {
  for (const auto& entry : std::filesystem::directory_iterator(DRYWALL_SOURCE_DIR "/tests/differential/cases")) {
    if (entry.path().extension() != ".yaml") continue;
    std::ifstream file(entry.path());
    std::stringstream text;
    text << file.rdbuf();
    std::string line;
    std::getline(text.seekg(0), line);
    const auto journey = line.starts_with("# ") ? parse_journey(std::string_view(line).substr(2)) : std::nullopt;
    ASSERT_TRUE(journey) << entry.path();
    const auto directory = read(text.str());
    ASSERT_NE(directory, nullptr) << entry.path();
    const auto why = refusal(*directory);
    ASSERT_FALSE(why) << entry.path() << ": " << *why;
    const auto found = difference(host(), *directory, *journey);
    EXPECT_FALSE(found) << entry.path() << ": " << *found;
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
  const auto clock = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  const std::uint64_t first_seed = number_from("DRYWALL_SEED", clock % 1'000'000'000);
  const std::uint64_t packets = number_from("DRYWALL_PACKETS", 20'000);
  constexpr std::uint64_t packets_a_directory = 100;
  fmt::print("seed {}, {} packets\n", first_seed, packets);
  for (std::uint64_t sent = 0, seed = first_seed; sent < packets; ++seed) {
    const Documents documents = random_documents(seed, seed % 2 == 0 ? EarlyPolicies::none : EarlyPolicies::allowed);
    const auto directory = read(to_yaml(documents));
    ASSERT_NE(directory, nullptr) << "seed " << seed;
    const auto why = refusal(*directory);
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
