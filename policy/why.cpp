// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/why.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <span>

#include "policy/evaluate.h"
#include "policy/result.h"

namespace drywall {
namespace {

constexpr std::size_t most_listed = 8;  // nets or ports of one criterion that are spelt out

std::string_view side_text(Side side) {
  return side == Side::source ? "source" : "destination";
}

std::string_view family_text(Family family) {
  return family == Family::v4 ? "IPv4" : "IPv6";
}

std::string_view in_text(bool is_in) {
  return is_in ? "is in" : "is not in";
}

std::string listed(std::vector<std::string> texts) {
  if (texts.size() <= most_listed) return fmt::format("{}", fmt::join(texts, ", "));
  const std::size_t more = texts.size() - most_listed;
  texts.resize(most_listed);
  return fmt::format("{} and {} more", fmt::join(texts, ", "), more);
}

std::string listed(const std::vector<PortRange>& ranges) {
  std::vector<std::string> texts;
  texts.reserve(ranges.size());
  for (const PortRange range : ranges) texts.push_back(to_string(range));
  return listed(std::move(texts));
}

/// The definition of a set; long lists of nets are cut.
std::string set_text(const PlannedSet& set) {
  constexpr std::string_view nets = "nets ";
  std::string_view rest = set.definition;
  if (!rest.starts_with(nets)) return set.definition;
  rest.remove_prefix(nets.size());
  std::vector<std::string> texts;
  for (std::size_t comma = rest.find(','); comma != std::string_view::npos; comma = rest.find(',')) {
    texts.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(comma + 1);
  }
  texts.emplace_back(rest);
  return fmt::format("{}{}", nets, listed(std::move(texts)));
}

/// `ICMP type 8 code 0`, or without a code any.
std::string icmp_text(std::uint8_t type, std::optional<std::uint8_t> code) {
  return code ? fmt::format("type {} code {}", type, *code) : fmt::format("type {}", type);
}

/// Tells of a packet what a criterion asks, in the words of a policy file.
class Teller {
 public:
  Teller(const Plan& plan, const Packet& packet) : plan_(plan), packet_(packet) {}

  /// A statement that is true of the packet, whether the criterion holds or not.
  [[nodiscard]] std::string fact(const Predicate& predicate) const {
    const bool holds = matches(plan_, predicate, packet_);
    return std::visit(
        overloaded{
            [&](const FamilyIs& p) { return of_family(p, holds); },
            [&](const ProtocolIs& p) { return of_protocol(p, is_so(holds, p.sense)) + exclusion(holds, p.sense); },
            [&](const AddressIn& p) { return of_address(p, is_so(holds, p.sense)) + exclusion(holds, p.sense); },
            [&](const PortIn& p) { return of_port(p, is_so(holds, p.sense)) + exclusion(holds, p.sense); },
            [&](const IcmpIs& p) { return of_icmp(p, is_so(holds, p.sense)) + exclusion(holds, p.sense); },
        },
        predicate);
  }

  /// True if the criterion asks for a field that a packet of this protocol lacks.
  [[nodiscard]] bool lacks_field(const Predicate& predicate) const {
    return std::visit(overloaded{
                          [](const FamilyIs&) { return false; },
                          [](const ProtocolIs&) { return false; },
                          [](const AddressIn&) { return false; },
                          [&](const PortIn&) { return !has_ports(packet_.protocol); },
                          [&](const IcmpIs&) { return !is_icmp(packet_.protocol); },
                      },
                      predicate);
  }

 private:
  /// What the criterion asks about is so, or it is not; a negated criterion holds if it is not.
  static bool is_so(bool holds, Sense sense) { return holds == (sense == Sense::is); }
  static const char* exclusion(bool holds, Sense sense) {
    return !holds && sense == Sense::is_not ? ", which the rule excludes" : "";
  }

  [[nodiscard]] std::string of_family(const FamilyIs& p, bool holds) const {
    const std::string_view is = family_text(packet_.source.family);
    return holds ? fmt::format("the packet is {}", is)
                 : fmt::format("the packet is {}, not {}", is, family_text(p.family));
  }
  [[nodiscard]] std::string of_protocol(const ProtocolIs& p, bool is) const {
    if (is) return fmt::format("protocol is {}", to_string(p.protocol));
    return fmt::format("protocol {} is not {}", to_string(packet_.protocol), to_string(p.protocol));
  }
  [[nodiscard]] std::string of_address(const AddressIn& p, bool is_in) const {
    return fmt::format("{} {} {} {}", side_text(p.side), to_string(address(p.side)), in_text(is_in),
                       set_text(plan_.sets[p.set]));
  }
  /// Ports of endpoints (named ports, services) go with their addresses.
  [[nodiscard]] std::string of_port(const PortIn& p, bool is_in) const {
    if (lacks_field(p)) return fmt::format("protocol {} has no ports", to_string(packet_.protocol));
    const std::uint16_t port = p.side == Side::source ? packet_.source_port : packet_.destination_port;
    const std::string_view side = side_text(p.side);
    if (!p.endpoint_ports) return fmt::format("{} port {} {} {}", side, port, in_text(is_in), listed(p.ranges));
    const std::string ranges = p.ranges.empty() ? "" : listed(p.ranges) + " or ";
    return fmt::format("{} {} port {} {} {}{}", side, to_string(address(p.side)), port, in_text(is_in), ranges,
                       plan_.sets[*p.endpoint_ports].definition);
  }
  [[nodiscard]] std::string of_icmp(const IcmpIs& p, bool is) const {
    if (lacks_field(p)) return fmt::format("protocol {} has no ICMP type", to_string(packet_.protocol));
    return fmt::format("ICMP {} {} {}", icmp_text(packet_.icmp_type, packet_.icmp_code), is ? "is" : "is not",
                       icmp_text(p.type, p.code));
  }
  [[nodiscard]] const Address& address(Side side) const {
    return side == Side::source ? packet_.source : packet_.destination;
  }

  const Plan& plan_;
  const Packet& packet_;
};

/// Asks as evaluate() does, and writes down each question.
class Account {
 public:
  Account(const Plan& plan, const Packet& packet) : plan_(plan), packet_(packet), teller_(plan, packet) {}

  /// What the first matching rule of these policies does; nothing: none matches.
  std::optional<Action> policies(std::span<const PolicyIndex> indices) {
    for (const PolicyIndex index : indices) {
      if (const auto action = policy(plan_.policies[index])) return action;
    }
    return std::nullopt;
  }

  void end_of_tier(const PlannedTier& tier) {
    add(Step::end_of_tier, trace_entry(plan_, tier), Outcome::hit, "no rule of the tier matches");
  }

  void ending(const PlannedLeg& leg) {
    TraceEntry entry = no_profile_entry();
    switch (leg.ending) {
      case Ending::deny:
        add(Step::no_profile, entry, Outcome::hit,
            leg.profiles.empty() ? "the endpoint has no profile" : "no rule of the endpoint's profiles matches");
        return;
      case Ending::allow:
        entry.action = Action::allow;
        add(Step::no_policy, entry, Outcome::hit, "forwarded traffic that no policy denies goes on");
        return;
      case Ending::undecided:
        entry.action = Action::pass;
        add(Step::no_policy, entry, Outcome::hit,
            fmt::format("no {} policy decides: the next bucket is asked", to_string(leg.bucket)));
        return;
    }
  }

  std::vector<Considered> take() { return std::move(considered_); }

 private:
  std::optional<Action> policy(const PlannedPolicy& asked) {
    if (asked.rules.empty()) add_empty(asked);
    std::span<const PlannedRule> rest = asked.rules;
    while (!rest.empty()) {
      const auto end = std::ranges::find_if(rest, [&](const PlannedRule& r) { return r.index != rest.front().index; });
      const auto count = static_cast<std::size_t>(end - rest.begin());
      if (const auto action = rule(asked, rest.first(count))) return action;
      rest = rest.subspan(count);
    }
    return std::nullopt;
  }

  /// Of the forms of one rule, the one that fits best speaks for it.
  std::optional<Action> rule(const PlannedPolicy& asked, std::span<const PlannedRule> forms) {
    const PlannedRule& form =
        *std::ranges::min_element(forms, {}, [&](const PlannedRule& one) { return failing(one).size(); });
    const std::vector<const Predicate*> failures = failing(form);
    if (!failures.empty()) {
      add(Step::rule, trace_entry(asked, form), Outcome::missed, told(worth_telling(failures)));
      return std::nullopt;
    }
    std::vector<const Predicate*> all;
    for (const Predicate& predicate : form.all_of) all.push_back(&predicate);
    const bool logs = form.action == Action::log;
    add(Step::rule, trace_entry(asked, form), logs ? Outcome::noted : Outcome::hit,
        all.empty() ? "it matches every packet" : told(all));
    return logs ? std::nullopt : std::optional(form.action);
  }

  [[nodiscard]] std::vector<const Predicate*> failing(const PlannedRule& form) const {
    std::vector<const Predicate*> found;
    for (const Predicate& predicate : form.all_of) {
      if (!matches(plan_, predicate, packet_)) found.push_back(&predicate);
    }
    return found;
  }

  /// Of another protocol, a packet need not be blamed for its lack of ports too.
  [[nodiscard]] std::vector<const Predicate*> worth_telling(std::vector<const Predicate*> failures) const {
    const bool other_protocol = std::ranges::any_of(
        failures, [](const Predicate* failure) { return std::holds_alternative<ProtocolIs>(*failure); });
    if (other_protocol) std::erase_if(failures, [&](const Predicate* p) { return teller_.lacks_field(*p); });
    return failures;
  }

  [[nodiscard]] std::string told(const std::vector<const Predicate*>& predicates) const {
    std::vector<std::string> facts;
    facts.reserve(predicates.size());
    for (const Predicate* predicate : predicates) facts.push_back(teller_.fact(*predicate));
    return fmt::format("{}", fmt::join(facts, "; "));
  }

  void add_empty(const PlannedPolicy& asked) {
    const bool undefined = asked.id.kind == PolicyKind::profile && asked.at.file.empty();
    TraceEntry entry{asked.tier, asked.id.kind, asked.id.ns, asked.id.name, -1, Action::deny, asked.at};
    add(Step::empty_policy, std::move(entry), Outcome::missed,
        undefined ? "no document defines this profile" : fmt::format("it has no {} rules", to_string(asked.direction)));
  }

  void add(Step step, TraceEntry entry, Outcome outcome, std::string reason) {
    considered_.push_back({step, std::move(entry), outcome, std::move(reason)});
  }

  const Plan& plan_;
  const Packet& packet_;
  Teller teller_;
  std::vector<Considered> considered_;
};

}  // namespace

std::vector<Considered> why(const Plan& plan, const PlannedLeg& leg, const Packet& packet) {
  Account account(plan, packet);
  for (const auto* exemption : {&leg.essentials, &leg.failsafes}) {
    if (*exemption && account.policies(std::span(&**exemption, 1))) return account.take();
  }
  for (const PlannedTier& tier : leg.tiers) {
    const auto action = account.policies(tier.policies);
    if (!action) account.end_of_tier(tier);
    if (action.value_or(tier.end.action) != Action::pass) return account.take();
  }
  if (!account.policies(leg.profiles)) account.ending(leg);
  return account.take();
}

}  // namespace drywall
