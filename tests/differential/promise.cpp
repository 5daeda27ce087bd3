// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/differential/promise.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "policy/parse.h"

namespace drywall::test {
namespace {

// --- promotion

void set_what_learns(std::string& yaml) {
  const std::string learns = "stagedAction: Learn\n";
  for (std::size_t at = yaml.find(learns); at != std::string::npos; at = yaml.find(learns, at)) {
    yaml.replace(at, learns.size(), "stagedAction: Set\n");
  }
}

PolicyId enforced_id(const PolicyId& id) {
  return {enforced_kind(id.kind), id.ns, id.name};
}

// --- legs

bool is_same_leg(const LegSeen& one, const LegSeen& other) {
  return one.endpoint == other.endpoint && one.bucket == other.bucket && one.direction == other.direction &&
         one.interface == other.interface;
}

/// A packet may pass a leg twice: its copies are told apart by their number.
const LegSeen* same_leg(const std::vector<LegSeen>& among, const std::vector<LegSeen>& own, const LegSeen& leg) {
  const auto is_same = [&](const LegSeen& other) { return is_same_leg(leg, other); };
  std::size_t number = 0;
  for (const LegSeen& earlier : own) {
    if (&earlier == &leg) break;
    if (is_same(earlier)) ++number;
  }
  for (const LegSeen& other : among) {
    if (is_same(other) && number-- == 0) return &other;
  }
  return nullptr;
}

const TraceBook::Leg* leg_in(const TraceBook& book, const LegSeen& leg) {
  const Address& workload = leg.direction == Direction::egress ? leg.packet.source : leg.packet.destination;
  return book.leg(leg.point, leg.direction, leg.interface, workload);
}

// --- traces

std::string shown(const Judgement& judgement) {
  std::string text = fmt::format("{}{}:", to_string(judgement.verdict), judgement.predicted ? " (predicted)" : "");
  for (const TraceEntry& entry : *judgement.trace) {
    text += fmt::format(" [{} {} {}/{} {} {}]", entry.tier, file_kind(entry.kind), entry.ns, entry.name, entry.rule,
                        to_string(entry.action));
  }
  return text;
}

std::string shown(const PacketSeen& seen) {
  std::string text;
  for (const LegSeen& leg : seen.legs) {
    text += fmt::format("    {}/{} {} {} {}\n      enforced {}\n      pending  {}\n", leg.endpoint.ns,
                        leg.endpoint.name, to_string(leg.bucket), to_string(leg.direction), leg.interface,
                        shown(leg.enforced), shown(leg.pending));
  }
  return text + "    " + seen.fate + "\n";
}

Trace without_places(Trace trace) {
  for (TraceEntry& entry : trace) entry.at = {};
  return trace;
}

bool is_end_of_tier(const TraceEntry& entry) {
  return entry.rule == -1 && !entry.tier.empty();
}

/// The trace with the kinds that policies have when they are promoted.
Trace promoted(Trace trace) {
  for (TraceEntry& entry : trace) {
    entry.kind = enforced_kind(entry.kind);
    entry.at = {};
  }
  return trace;
}

/// What the enforced world makes of a pending trace when all is promoted: the end of a tier blames the last policy that
/// the tier has there, not the first one.
Trace enforced_form(const TraceBook& book, const PlannedLeg* leg, const Trace& pending, Compared& compared) {
  Trace trace = promoted(pending);
  for (std::size_t i = 0; i < trace.size(); ++i) {
    if (!is_end_of_tier(trace[i])) continue;
    const PolicyId& last = book.plan(World::pending).policies[leg->tiers.at(i).policies.back()].id;
    trace[i].kind = enforced_kind(last.kind);
    trace[i].ns = last.ns;
    trace[i].name = last.name;
    ++compared.ends_of_tier;
  }
  return trace;
}

bool is_silent(const Trace& trace) {
  return trace.empty() || trace.front().kind == PolicyKind::essential;
}

// --- the promise

class Keeping {
 public:
  Keeping(const Journey& journey, const TraceBook& promising, const PacketSeen& before, const PacketSeen& after,
          Compared& compared)
      : journey_(journey), promising_(promising), before_(before), after_(after), compared_(compared) {}

  /// What is broken.
  std::optional<std::string> look() {
    if (before_.unassembled + after_.unassembled > 0) return "hits that fit no trace";
    const bool elsewhere = goes_elsewhere();
    if (elsewhere) ++compared_.elsewhere;
    for (const LegSeen& leg : before_.legs) {
      if (elsewhere && leg.bucket != Bucket::untracked) continue;
      if (auto broken = of_leg(leg)) return broken;
    }
    for (const LegSeen& leg : after_.legs) {
      if (elsewhere && leg.bucket != Bucket::untracked) continue;
      if (auto broken = of_new_leg(leg)) return broken;
    }
    return elsewhere ? std::nullopt : of_fate();
  }

 private:
  /// What is untracked escapes DNAT and is never invalid: where one world untracks the packet and the other one does
  /// not, it goes two ways. And untracked policy is asked at the link that the host meant before DNAT, the records know
  /// only the one after it.
  [[nodiscard]] bool goes_elsewhere() const {
    const Passage passage = passage_of(journey_, Translates::yes);
    const bool is_invalid = tracking_of(journey_.crafted) == Tracking::invalid;
    const auto untracks = [](const Judgement& said) { return said.verdict == Verdict::allow && !said.trace->empty(); };
    const auto untracks_in_one_world = [&](const LegSeen& leg) {
      return leg.bucket == Bucket::untracked && untracks(leg.enforced) != untracks(leg.pending);
    };
    if ((passage.original_destination || is_invalid) && std::ranges::any_of(before_.legs, untracks_in_one_world)) {
      return true;
    }
    const bool is_rerouted =
        journey_.in.empty() && passage_of(journey_, Translates::no).out_interface != passage.out_interface;
    return is_rerouted && untracks_egress();
  }

  [[nodiscard]] bool untracks_egress() const {
    return std::ranges::any_of(std::array{World::enforced, World::pending}, [&](World world) {
      return std::ranges::any_of(promising_.plan(world).endpoints, [](const PlannedEndpoint& endpoint) {
        return endpoint.leg(Bucket::untracked, Direction::egress) != nullptr;
      });
    });
  }

  std::optional<std::string> of_leg(const LegSeen& leg) {
    const LegSeen* now = same_leg(after_.legs, before_.legs, leg);
    const std::string name =
        fmt::format("{} {} {}", leg.endpoint.name, to_string(leg.bucket), to_string(leg.direction));
    if (is_silent(*leg.pending.trace)) {
      if (now != nullptr && !now->enforced.trace->empty()) return name + ": judges what it was said not to judge";
      ++compared_.stopped_before;
      return std::nullopt;
    }
    if (now == nullptr && is_cut_behind_dnat(leg)) {
      ++compared_.behind_dnat;
      return std::nullopt;
    }
    if (now == nullptr) return name + ": does not judge what it was said to judge";
    count(leg, *now);
    const TraceBook::Leg* planned = leg_in(promising_, leg);
    if (without_places(*now->enforced.trace) !=
            enforced_form(promising_, planned->pending, *leg.pending.trace, compared_) ||
        now->enforced.verdict != leg.pending.verdict) {
      return name + ": the enforced trace is not what the pending one was";
    }
    // Nothing is pending any more: the same trace, but with the pending world's blame, is what it was.
    if (without_places(*now->pending.trace) != promoted(*leg.pending.trace) ||
        now->pending.verdict != now->enforced.verdict) {
      return name + ": the pending trace is another one";
    }
    return std::nullopt;
  }

  /// What a workload sends to the host by an address that DNAT turns into the host's: a would-deny before DNAT has
  /// other addresses, and the leg behind it is not known to be one.
  [[nodiscard]] bool is_cut_behind_dnat(const LegSeen& leg) const {
    const Passage passage = passage_of(journey_, Translates::yes);
    const bool is_early_deny = std::ranges::any_of(before_.legs, [](const LegSeen& early) {
      return (early.bucket == Bucket::untracked || early.bucket == Bucket::pre_dnat) &&
             early.pending.verdict == Verdict::deny;
    });
    return is_early_deny && passage.original_destination && passage.out_interface.empty() &&
           leg.point == LegPoint::workload && leg.direction == Direction::egress;
  }

  void count(const LegSeen& leg, const LegSeen& now) {
    ++compared_.legs;
    const bool predicted =
        leg.enforced.predicted || leg.pending.predicted || now.enforced.predicted || now.pending.predicted;
    if (predicted) ++compared_.predicted;
  }

  /// One that the packet did not come to before the promotion, because the enforced world had stopped it.
  std::optional<std::string> of_new_leg(const LegSeen& leg) {
    if (same_leg(before_.legs, after_.legs, leg) != nullptr || leg.enforced.trace->empty()) return std::nullopt;
    const std::string name =
        fmt::format("{} {} {}", leg.endpoint.name, to_string(leg.bucket), to_string(leg.direction));
    const bool was_stopped = std::ranges::any_of(before_.legs, [](const LegSeen& earlier) {
      return earlier.enforced.verdict == Verdict::deny && earlier.pending.verdict != Verdict::deny;
    });
    if (!was_stopped) return name + ": judges what no record told of";
    const TraceBook::Leg* planned = leg_in(promising_, leg);
    if (planned == nullptr || planned->pending == nullptr) return name + ": was no leg before";
    // That the buckets before it did not decide is seen; they may have judged another packet, before DNAT.
    const Decision decision = evaluate(promising_.plan(World::pending), *planned->pending, leg.packet);
    ++compared_.first_reached;
    if (enforced_form(promising_, planned->pending, decision.trace, compared_) == without_places(*leg.enforced.trace) &&
        decision.verdict == leg.enforced.verdict) {
      return std::nullopt;
    }
    return name + ": is not what the evaluator had said";
  }

  /// Packets that are invalid to connection tracking are dropped wherever there is a leg, and no leg tells.
  std::optional<std::string> of_fate() {
    const auto would_deny = [](const LegSeen& leg) { return leg.pending.verdict == Verdict::deny; };
    const bool is_stopped = after_.fate == "dropped";
    if (is_stopped != (before_.fate == "dropped")) ++compared_.changed;
    if (std::ranges::any_of(before_.legs, would_deny)) {
      return is_stopped ? std::nullopt : std::optional<std::string>("comes through, although a leg would deny it");
    }
    if (before_.fate == "dropped" || tracking_of(journey_.crafted) == Tracking::invalid) return std::nullopt;
    return is_stopped ? std::optional<std::string>("is dropped, although no leg would deny it") : std::nullopt;
  }

  const Journey& journey_;
  const TraceBook& promising_;
  const PacketSeen& before_;
  const PacketSeen& after_;
  Compared& compared_;
};

}  // namespace

std::vector<yaml::SourceFile> spread(const Documents& documents, std::size_t count) {
  std::vector<Documents> parts(count);
  for (std::size_t i = 0; i < documents.size(); ++i) parts[i % count].push_back(documents[i]);
  std::vector<yaml::SourceFile> files;
  for (const Documents& part : parts) files.push_back({fmt::format("{}.yaml", files.size()), to_yaml(part)});
  return files;
}

Promotion promotion_of(std::vector<yaml::SourceFile> files) {
  Promotion made{files, std::move(files), 0, 0, {}};
  for (yaml::SourceFile& file : made.after) set_what_learns(file.text);
  const Parsed parsed = parse(made.after);
  std::set<PolicyId> known;
  for (const Policy& policy : parsed.inventory.policies) known.insert(policy.id);
  std::vector<PolicyId> staged;
  for (const Policy& policy : parsed.inventory.policies) {
    if (!is_staged(policy.id.kind) || policy.staged_action == StagedAction::ignore) continue;
    staged.push_back(policy.id);
    if (policy.staged_action == StagedAction::remove) ++made.deleted;
    if (policy.staged_action != StagedAction::remove && known.contains(enforced_id(policy.id))) ++made.replaced;
  }
  Edited edited = promote(made.after, staged);
  made.refusals = std::move(edited.refusals);
  for (FileEdit& edit : edited.edits) {
    const auto file = std::ranges::find(made.after, edit.file, &yaml::SourceFile::name);
    if (edit.after) {
      file->text = std::move(*edit.after);
    } else {
      made.after.erase(file);
    }
  }
  return made;
}

std::optional<std::string> broken_promise(const Journey& journey, const TraceBook& promising, const PacketSeen& before,
                                          const PacketSeen& after, Compared& compared) {
  ++compared.packets;
  const auto broken = Keeping(journey, promising, before, after, compared).look();
  if (!broken) return std::nullopt;
  return fmt::format("{}\n{}\n  before the promotion\n{}  after it\n{}", *broken, to_string(journey), shown(before),
                     shown(after));
}

}  // namespace drywall::test
