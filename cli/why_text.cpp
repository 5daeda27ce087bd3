// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/why_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "cli/terminal.h"

namespace drywall::cli {
namespace {

using Part = std::span<const Considered>;

bool is_exemption(PolicyKind kind) {
  return kind == PolicyKind::essential || kind == PolicyKind::failsafe;
}

PolicyId id_of(const TraceEntry& entry) {
  return {entry.kind, entry.ns, entry.name};
}

/// ` [web.yaml:7]`; nothing for what is built in.
std::string place(const SourceLocation& at) {
  return at.file.empty() ? "" : fmt::format(" [{}:{}]", at.file, at.line);
}

Colour colour_of(const Considered& one) {
  if (one.outcome == Outcome::missed) return Colour::none;
  if (one.entry.action == Action::allow) return Colour::good;
  return one.entry.action == Action::deny ? Colour::bad : Colour::warning;
}

std::string_view answer(Outcome outcome) {
  switch (outcome) {
    case Outcome::missed:
      return "no";
    case Outcome::noted:
      return "yes, and on";
    case Outcome::hit:
      return "yes";
  }
  return "no";
}

std::string line_of(const Considered& one) {
  const TraceEntry& entry = one.entry;
  switch (one.step) {
    case Step::rule:
      return fmt::format("    rule {} {}, {}: {}{}", entry.rule, to_string(entry.action), answer(one.outcome),
                         one.reason, place(entry.at));
    case Step::empty_policy:
      return fmt::format("    no: {}{}", one.reason, place(entry.at));
    case Step::end_of_tier:
      return fmt::format("  end of tier {}, {}: {} (put down to {}{})", entry.tier, to_string(entry.action), one.reason,
                         to_string(id_of(entry)), place(entry.at));
    case Step::no_profile:
    case Step::no_policy:
      return fmt::format("  end, {}: {}", to_string(entry.action), one.reason);
  }
  return {};
}

/// The front of `rest` that belongs to one policy; ends stand alone.
Part first_part(Part rest) {
  const auto belongs = [&](const Considered& one) {
    return one.step == Step::rule && rest.front().step == Step::rule && id_of(one.entry) == id_of(rest.front().entry) &&
           one.entry.tier == rest.front().entry.tier;
  };
  const auto end = std::find_if_not(rest.begin() + 1, rest.end(), belongs);
  return rest.first(static_cast<std::size_t>(end - rest.begin()));
}

std::string heading(const TraceEntry& entry) {
  const std::string tier = entry.tier.empty() ? "" : fmt::format("tier {}, ", entry.tier);
  return fmt::format("  {}{}", tier, to_string(id_of(entry)));
}

std::string text_of(Part part) {
  const Considered& first = part.front();
  const bool is_policy = first.step == Step::rule || first.step == Step::empty_policy;
  const bool missed = std::ranges::all_of(part, [](const Considered& one) { return one.outcome == Outcome::missed; });
  if (is_policy && is_exemption(first.entry.kind) && missed) {
    return fmt::format("{}, no: none of {} matches\n", heading(first.entry), counted(part.size(), "rule"));
  }
  std::string out = is_policy ? harmless(heading(first.entry)) + '\n' : "";
  for (const Considered& one : part) {
    // Of the host's own exemptions only what decides is worth a line.
    if (is_exemption(one.entry.kind) && one.outcome == Outcome::missed) continue;
    out += coloured(colour_of(one), harmless(line_of(one))) + '\n';
  }
  return out;
}

}  // namespace

std::string why_text(const std::vector<Considered>& all) {
  std::string out;
  for (Part rest = all; !rest.empty();) {
    const Part part = first_part(rest);
    out += text_of(part);
    rest = rest.subspan(part.size());
  }
  return out;
}

}  // namespace drywall::cli
