// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/parse_tier.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace drywall::reading {
namespace {

void check_built_in(Reader& reader, Fields& spec, const Tier& tier, const Tier& built_in) {
  if (tier.order != built_in.order && spec.find("order") != nullptr) {
    reader.error(*spec.find("order"), "built-in-tier",
                 fmt::format("the order of the built-in tier {} is {:.0f}", tier.name, built_in.order),
                 "leave the field out, or give the tier another name");
  }
  if (tier.default_action != built_in.default_action && spec.find("defaultAction") != nullptr) {
    reader.error(*spec.find("defaultAction"), "built-in-tier",
                 fmt::format("the default action of the built-in tier {} is {}", tier.name,
                             built_in.default_action == Action::pass ? "Pass" : "Deny"),
                 "leave the field out, or give the tier another name");
  }
}

}  // namespace

std::vector<Tier> built_in_tiers() {
  return {{"default", 1'000'000, Action::deny, {}},
          {"kube-admin", 1'000, Action::pass, {}},
          {"kube-baseline", 10'000'000, Action::pass, {}}};
}

void read_tier(Document& document) {
  std::vector<Tier>& tiers = document.draft.inventory.tiers;
  const auto built_in = std::find_if(
      tiers.begin(), tiers.end(), [&](const Tier& t) { return t.name == document.metadata.name && t.at.file.empty(); });
  Tier tier{document.metadata.name, 1'000'000, Action::deny, document.at};
  Fields spec(document.reader, document.fields.find("spec"), "spec");
  if (const auto order = spec.number("order")) tier.order = *order;
  if (const yaml::Node* node = spec.find("defaultAction")) {
    const auto index = document.reader.word(*node, "defaultAction", "bad-action", {"Deny", "Pass"});
    if (index) tier.default_action = *index == 0 ? Action::deny : Action::pass;
  }
  spec.done();
  if (built_in == tiers.end()) {
    tiers.push_back(std::move(tier));
    return;
  }
  check_built_in(document.reader, spec, tier, *built_in);
  built_in->at = document.at;
}

}  // namespace drywall::reading
