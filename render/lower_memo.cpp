// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/lower_memo.h"

#include <algorithm>

namespace drywall {
namespace {

bool has(const PlannedSet& set, Family family) {
  if (const auto* addresses = std::get_if<AddressSet>(&set.members)) return addresses->has(family);
  return std::ranges::any_of(std::get<std::vector<EndpointPort>>(set.members),
                             [&](const EndpointPort& port) { return port.address.family == family; });
}

}  // namespace

void LowerMemo::begin(const Plan& enforced, const Plan& pending, const RenderOptions& options) {
  Globals globals{options,
                  {enforced.deny_action, pending.deny_action},
                  {enforced.drop_invalid, pending.drop_invalid},
                  {enforced.kernel_log, pending.kernel_log}};
  bool is_valid = globals_ == globals;
  globals_ = std::move(globals);
  if (members_.size() > enforced.sets.size() + pending.sets.size()) members_.clear();  // and noted anew, below
  is_valid = note_members(enforced) && is_valid;
  is_valid = note_members(pending) && is_valid;
  if (!is_valid) tables_ = {};
}

/// False if what was noted before is not so any more.
bool LowerMemo::note_members(const Plan& plan) {
  bool same = true;
  for (const auto& [index, set] : plan.sets) {
    HasMembers& known = members_[index];
    if (known.set == set) continue;
    const HasMembers now{set, has(*set, Family::v4), has(*set, Family::v6)};
    same = same && (known.set == nullptr || (known.v4 == now.v4 && known.v6 == now.v6));
    known = now;
  }
  return same;
}

}  // namespace drywall
