// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/rule_tag.h"

#include <fmt/format.h>

#include "policy/stable_hash.h"

namespace drywall {
namespace {

char letter_of(Action action) {
  switch (action) {
    case Action::allow:
      return 'A';
    case Action::deny:
      return 'D';
    case Action::pass:
      return 'P';
    case Action::log:
      return 'L';
  }
  return 'L';
}

std::optional<Action> action_of(char letter) {
  switch (letter) {
    case 'A':
      return Action::allow;
    case 'D':
      return Action::deny;
    case 'P':
      return Action::pass;
    default:
      return std::nullopt;
  }
}

std::optional<LegPoint> leg_point_of(char letter) {
  for (const LegPoint point : {LegPoint::untracked, LegPoint::pre_dnat, LegPoint::host, LegPoint::forward,
                               LegPoint::workload, LegPoint::to_host}) {
    if (static_cast<char>(point) == letter) return point;
  }
  return std::nullopt;
}

std::optional<RuleId> parse_id(std::string_view digits) {
  RuleId id = 0;
  for (const char digit : digits) {
    if (digit >= '0' && digit <= '9') {
      id = id << 4U | static_cast<RuleId>(digit - '0');
    } else if (digit >= 'a' && digit <= 'f') {
      id = id << 4U | static_cast<RuleId>(digit - 'a' + 10);
    } else {
      return std::nullopt;
    }
  }
  return id;
}

}  // namespace

RuleId rule_id(const PolicyId& policy, Direction direction, std::int32_t rule) {
  return stable_hash(
      fmt::format("{}/{}/{}/{}/{}", model_kind(policy.kind), policy.ns, policy.name, to_string(direction), rule));
}

RuleId no_profile_id(Direction direction) {
  return stable_hash(fmt::format("Profile///{}/-1", to_string(direction)));
}

RuleId decided_before_id(Direction direction) {
  return stable_hash(fmt::format("earlier bucket///{}/-1", to_string(direction)));
}

std::string to_string(const RuleTag& tag) {
  return fmt::format("dw1{}{}{}{}{:016x}", tag.world == World::enforced ? 'e' : 'p', static_cast<char>(tag.leg),
                     tag.direction == Direction::ingress ? 'i' : 'e', letter_of(tag.action), tag.id);
}

std::optional<RuleTag> parse_rule_tag(std::string_view text) {
  if (text.size() != rule_tag_size || !text.starts_with("dw1")) return std::nullopt;
  if (text[3] != 'e' && text[3] != 'p') return std::nullopt;
  if (text[5] != 'i' && text[5] != 'e') return std::nullopt;
  const auto leg = leg_point_of(text[4]);
  const auto action = action_of(text[6]);
  const auto id = parse_id(text.substr(7));
  if (!leg || !action || !id) return std::nullopt;
  return RuleTag{text[3] == 'e' ? World::enforced : World::pending, *leg,
                 text[5] == 'i' ? Direction::ingress : Direction::egress, *action, *id};
}

}  // namespace drywall
