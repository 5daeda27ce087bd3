// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/worlds.h"

#include <algorithm>

namespace drywall::cli {
AskedWorld::AskedWorld(const Inventory& inventory, const Host& host, World world,
                       const std::vector<LocalAddress>& local)
    : plan_(compile(inventory, host, world)), endpoints_(plan_, local), classifier_(plan_) {}

std::vector<JudgedLeg> AskedWorld::judge(const Passage& passage) {
  return drywall::judge(endpoints_, classifier_, passage);
}

std::vector<Considered> AskedWorld::why(const PlannedLeg& leg, const Passage& passage) const {
  return drywall::why(plan_, leg, seen_in(leg.bucket, passage));
}

bool Fate::allowed() const {
  return std::ranges::none_of(legs, [](const JudgedLeg& leg) { return leg.decision.verdict == Verdict::deny; });
}

Worlds::Worlds(const Inventory& inventory, const Host& host, const std::vector<LocalAddress>& local)
    : enforced(inventory, host, World::enforced, local), pending(inventory, host, World::pending, local) {}

Fates Worlds::fates(const Passage& passage) {
  return {{enforced.judge(passage)}, {pending.judge(passage)}};
}

}  // namespace drywall::cli
