// SPDX-License-Identifier: GPL-2.0-or-later
// What the differential test takes for granted, without a kernel: legs that nothing observes have the same trace in
// both worlds, and the two evaluators agree.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "policy/compile.h"
#include "policy/parse.h"
#include "tests/differential/random_documents.h"
#include "tests/differential/random_journeys.h"
#include "tests/differential/station.h"
#include "tests/differential/test_network.h"

namespace drywall::test {
namespace {

struct Worlds {
  explicit Worlds(const Inventory& inventory)
      : enforced(compile(inventory, policed_host(), World::enforced)),
        pending(compile(inventory, policed_host(), World::pending)) {}
  JudgedWorld enforced;
  JudgedWorld pending;
};

void for_random_passages(const std::function<void(Worlds&, const Passage&)>& look) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const std::vector<yaml::SourceFile> files{{"random.yaml", to_yaml(random_documents(seed, EarlyPolicies::allowed))}};
    Worlds worlds(parse(files).inventory);
    RandomJourneys journeys(seed);
    for (int i = 0; i < 50; ++i) look(worlds, passage_of(journeys.next(), Translates::yes));
    if (testing::Test::HasFailure()) FAIL() << "seed " << seed;
  }
}

EndpointInPlan in_plan(const Plan& plan, const EndpointId& id) {
  const auto found = std::ranges::find(plan.endpoints, id, &PlannedEndpoint::id);
  return {plan, found == plan.endpoints.end() ? nullptr : &*found};
}

const Station* same_station(const std::vector<Station>& among, const Station& as) {
  const auto found = std::ranges::find_if(among, [&](const Station& station) {
    return station.kind == as.kind && station.endpoint != nullptr && station.endpoint->id == as.endpoint->id &&
           station.bucket == as.bucket && station.direction == as.direction;
  });
  return found == among.end() ? nullptr : &*found;
}

/// Whom an end of tier blames is the one thing that may differ.
Decision without_blame(Decision decision) {
  for (TraceEntry& entry : decision.trace) {
    if (entry.rule == -1) entry = {entry.tier, {}, "", "", -1, entry.action, {}};
  }
  return decision;
}

TEST(Worlds, AgreeOnEveryLegThatIsNotObserved) {
  std::size_t compared = 0;
  for_random_passages([&](Worlds& worlds, const Passage& passage) {
    const std::vector<Station> enforced = stations(worlds.enforced, passage);
    for (const Station& station : stations(worlds.pending, passage)) {
      if (station.kind == Station::Kind::drops) continue;
      const EndpointId& id = station.endpoint->id;
      if (is_observed(in_plan(worlds.enforced.plan, id), in_plan(worlds.pending.plan, id), station.bucket,
                      station.direction))
        continue;
      const Station* twin = same_station(enforced, station);
      // In the pending world the legs behind a bucket that decided are told of even where there are none.
      if (twin == nullptr && station.kind == Station::Kind::spared) continue;
      ASSERT_NE(twin, nullptr) << id.name;
      EXPECT_EQ(without_blame(station.decision), without_blame(twin->decision)) << id.name;
      ++compared;
    }
  });
  EXPECT_GT(compared, 1000U);
}

TEST(Worlds, AreJudgedByTheClassifierAsByTheEvaluator) {
  for_random_passages([](Worlds& worlds, const Passage& passage) {
    for (JudgedWorld* world : {&worlds.enforced, &worlds.pending}) {
      for (const JudgedLeg& judged : judge(world->endpoints, world->classifier, passage)) {
        EXPECT_EQ(judged.decision, evaluate(world->plan, *judged.leg, seen_in(judged.leg->bucket, passage)))
            << judged.endpoint->id.name;
      }
    }
  });
}

}  // namespace
}  // namespace drywall::test
