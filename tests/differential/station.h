// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <vector>

#include "policy/classifier.h"
#include "policy/path.h"
#include "policy/rule_tag.h"
#include "tests/differential/journey.h"

namespace drywall::test {

/// A plan, and what answers for it.
struct JudgedWorld {
  explicit JudgedWorld(Plan made) : plan(std::move(made)), endpoints(plan, {}), classifier(plan) {}
  JudgedWorld(const JudgedWorld&) = delete;
  JudgedWorld& operator=(const JudgedWorld&) = delete;
  Plan plan;
  EndpointMap endpoints;
  Classifier classifier;
};

/// The hooks that a packet passes, one after the other: raw, mangle, then input, forward or output. A drop at one keeps
/// it from the next.
enum class Step : std::uint8_t { raw, mangle, filter };

/// A base chain that a packet comes to: a leg, or what is no leg of a plan but drops packets all the same.
struct Station {
  enum class Kind : std::uint8_t {
    judges,
    spared,  // an earlier bucket of the endpoint has decided: `decision` is its
    drops,
  };
  Step step;
  int place;  // among those of one hook
  Kind kind;
  const PlannedEndpoint* endpoint = nullptr;
  Bucket bucket = Bucket::normal;
  Direction direction = Direction::ingress;
  Decision decision = {};
};

/// All of one world's, in the order of the kernel's base chains; the legs and their decisions are judge()'s.
[[nodiscard]] std::vector<Station> stations(JudgedWorld& world, const Passage& passage);
/// True if the packet is accepted there in silence, whatever the leg says.
[[nodiscard]] bool is_exempt(const Station& station, const Passage& passage, Tracking tracking);
[[nodiscard]] LegPoint point_of(const Station& station);

}  // namespace drywall::test
