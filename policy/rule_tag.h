// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "policy/plan.h"

namespace drywall {

/// 64-bit FNV-1a of "KIND/NAMESPACE/NAME/direction/index"; rule -1 is the policy's end of tier. The same in both
/// worlds, on every host and in every run. compile() refuses a directory in which two differ in meaning and agree in
/// id.
[[nodiscard]] RuleId rule_id(const PolicyId& policy, Direction direction, std::int32_t rule);
/// The final deny of a leg that no profile allowed.
[[nodiscard]] RuleId no_profile_id(Direction direction);
/// No rule of this leg was asked: an earlier bucket of the endpoint had decided (buckets_before).
[[nodiscard]] RuleId decided_before_id(Direction direction);

/// Where in the packet's way through the host a leg is judged; the letter in a tag.
enum class LegPoint : char {
  untracked = 'u',
  pre_dnat = 'p',
  host = 'n',      // host endpoint, normal policy
  forward = 'f',   // host endpoint, applyOnForward policy
  workload = 'w',  // workload endpoint
  to_host = 'h',   // workload to host, after its egress policy
};

/// The NFLOG prefix of one leaf, printable ASCII of fixed size: `dw1` WORLD LEG DIRECTION ACTION ID
///   WORLD e enforced, p pending; LEG as LegPoint; DIRECTION i ingress, e egress; ACTION A allow, D deny, P pass;
///   ID 16 lower-case hexadecimal digits, e.g. dw1pniD00c0ffee00c0ffee
struct RuleTag {
  World world = World::enforced;
  LegPoint leg = LegPoint::host;
  Direction direction = Direction::ingress;
  Action action = Action::allow;
  RuleId id = 0;
  auto operator<=>(const RuleTag&) const = default;
};
inline constexpr std::size_t rule_tag_size = 23;

[[nodiscard]] std::string to_string(const RuleTag& tag);
/// Nothing if the text is not exactly of the form above; untrusted.
[[nodiscard]] std::optional<RuleTag> parse_rule_tag(std::string_view text);

}  // namespace drywall
