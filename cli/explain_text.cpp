// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/explain_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/flow_text.h"
#include "cli/page.h"
#include "cli/terminal.h"
#include "cli/why_text.h"

namespace drywall::cli {
namespace {

constexpr std::size_t narrowest_for_two = 100;
constexpr std::size_t gap = 2;  // between the columns, as in Table

std::string verdict_word(Verdict verdict, World world) {
  if (verdict == Verdict::undecided) return "pass";
  const bool allows = verdict == Verdict::allow;
  if (world == World::enforced) return allows ? "allow" : "deny";
  return allows ? "would-allow" : "would-deny";
}

Colour colour_of(Verdict verdict, World world) {
  if (verdict == Verdict::undecided) return Colour::faint;
  if (verdict == Verdict::allow) return Colour::good;
  return world == World::enforced ? Colour::bad : Colour::warning;
}

Verdict verdict_of(const Fate& fate) {
  return fate.allowed() ? Verdict::allow : Verdict::deny;
}

std::string coloured_verdict(const Fate& fate, World world) {
  return coloured(colour_of(verdict_of(fate), world), verdict_word(verdict_of(fate), world));
}

std::string host_port(const Address& address, std::uint16_t port, Protocol protocol) {
  if (!has_ports(protocol)) return to_string(address);
  return address.family == Family::v6 ? fmt::format("[{}]:{}", to_string(address), port)
                                      : fmt::format("{}:{}", to_string(address), port);
}

/// `tcp 10.0.0.1:40000 -> 10.0.0.2:443`, and where it went before DNAT.
std::string packet_text(const Passage& passage) {
  const Packet& packet = passage.packet;
  const bool icmp = is_icmp(packet.protocol);
  std::string out = fmt::format("{}{} {} -> {}", to_string(packet.protocol),
                                icmp ? fmt::format(" type {} code {}", packet.icmp_type, packet.icmp_code) : "",
                                host_port(packet.source, packet.source_port, packet.protocol),
                                host_port(packet.destination, packet.destination_port, packet.protocol));
  if (passage.original_destination || passage.original_destination_port) {
    const std::uint16_t port = passage.original_destination_port.value_or(packet.destination_port);
    const Address address = passage.original_destination.value_or(packet.destination);
    out += fmt::format(" ({} before DNAT)", host_port(address, port, packet.protocol));
  }
  return out;
}

std::string summary(const Passage& passage, const Fates& fates) {
  return fmt::format("{}: enforced {}, pending {}: {}\n", packet_text(passage),
                     coloured_verdict(fates.enforced, World::enforced), coloured_verdict(fates.pending, World::pending),
                     fates.differ() ? "they differ" : "no difference");
}

/// Whose policy was not asked. With interfaces given, the way does not depend on who owns an address.
std::string strangers(const Worlds& worlds, const Passage& passage) {
  if (!passage.in_interface.empty() || !passage.out_interface.empty()) return "";
  std::string out;
  for (const Address& address : {passage.packet.source, passage.packet.destination}) {
    if (worlds.enforced.owner(address) != nullptr) continue;
    out += fmt::format("{} is the address of no endpoint here\n", to_string(address));
  }
  return out;
}

/// A leg as each world judges it, if it does.
struct LegPair {
  const JudgedLeg* enforced = nullptr;
  const JudgedLeg* pending = nullptr;
  [[nodiscard]] const JudgedLeg& any() const { return enforced != nullptr ? *enforced : *pending; }
};

bool is_same_leg(const JudgedLeg& left, const JudgedLeg& right) {
  return left.endpoint->id == right.endpoint->id && left.leg->direction == right.leg->direction &&
         left.leg->bucket == right.leg->bucket;
}

/// The legs of both worlds in the order of the packet's way.
std::vector<LegPair> paired(const Fates& fates) {
  std::vector<LegPair> pairs;
  auto pending = fates.pending.legs.begin();
  const auto end = fates.pending.legs.end();
  for (const JudgedLeg& enforced : fates.enforced.legs) {
    const auto same = std::find_if(pending, end, [&](const JudgedLeg& leg) { return is_same_leg(enforced, leg); });
    if (same == end) {
      pairs.push_back({&enforced, nullptr});
      continue;
    }
    for (; pending != same; ++pending) pairs.push_back({nullptr, &*pending});
    pairs.push_back({&enforced, &*pending++});
  }
  for (; pending != end; ++pending) pairs.push_back({nullptr, &*pending});
  return pairs;
}

/// `ingress of WorkloadEndpoint prod/web (normal)`
std::string leg_text(const JudgedLeg& judged) {
  const EndpointId& id = judged.endpoint->id;
  return fmt::format("{} of {} {}{}{} ({})", to_string(judged.leg->direction),
                     id.kind == EndpointKind::host ? "HostEndpoint" : "WorkloadEndpoint", id.ns,
                     id.ns.empty() ? "" : "/", id.name, to_string(judged.leg->bucket));
}

std::string hit_line(const TraceEntry& entry, World world) {
  JsonWriter json;
  write_json(json, entry);
  return "    " + hit_text(Json::parse(json.so_far()), world, true);
}

/// One world's view of a leg: a line for the leg and one for each hit.
std::vector<Cell> leg_lines(const JudgedLeg* judged, const JudgedLeg& any, World world) {
  if (judged == nullptr) return {{fmt::format("{}: not judged in this world", leg_text(any)), Colour::faint}};
  const Verdict verdict = judged->decision.verdict;
  std::vector<Cell> lines{
      {fmt::format("{}: {}", leg_text(any), verdict_word(verdict, world)), colour_of(verdict, world)}};
  for (const TraceEntry& entry : judged->decision.trace) lines.push_back({hit_line(entry, world)});
  return lines;
}

std::vector<Cell> fitted(const std::vector<Cell>& lines, std::size_t width) {
  std::vector<Cell> out;
  for (const Cell& line : lines) {
    const std::size_t hanging = line.text.find_first_not_of(' ') + 2;
    for (std::string& piece : broken(line.text, width, hanging)) out.push_back({std::move(piece), line.colour});
  }
  return out;
}

std::string side_by_side(const std::vector<LegPair>& pairs, std::size_t width) {
  const std::size_t half = (width - gap) / 2;
  std::vector<std::vector<Cell>> rows;
  for (const LegPair& pair : pairs) {
    std::vector<Cell> left = fitted(leg_lines(pair.enforced, pair.any(), World::enforced), half);
    std::vector<Cell> right = fitted(leg_lines(pair.pending, pair.any(), World::pending), half);
    const std::size_t height = std::max(left.size(), right.size());
    left.resize(height);
    right.resize(height);
    for (std::size_t i = 0; i < height; ++i) rows.push_back({std::move(left[i]), std::move(right[i])});
  }
  return table({"ENFORCED", "PENDING"}, rows);
}

std::string one_below_other(const std::vector<LegPair>& pairs) {
  std::string out;
  for (const World world : {World::enforced, World::pending}) {
    std::vector<std::vector<Cell>> rows;
    for (const LegPair& pair : pairs) {
      const JudgedLeg* judged = world == World::enforced ? pair.enforced : pair.pending;
      for (Cell& line : leg_lines(judged, pair.any(), world)) rows.push_back({std::move(line)});
    }
    out += table({world == World::enforced ? "ENFORCED" : "PENDING"}, rows);
  }
  return out;
}

std::string reasons(const Worlds& worlds, const Passage& passage, const LegPair& pair) {
  std::vector<Considered> enforced;
  std::vector<Considered> pending;
  if (pair.enforced != nullptr) enforced = worlds.enforced.why(*pair.enforced->leg, passage);
  if (pair.pending != nullptr) pending = worlds.pending.why(*pair.pending->leg, passage);
  const std::string leg = leg_text(pair.any());
  if (enforced == pending) return fmt::format("WHY, in both worlds: {}\n{}", leg, why_text(enforced));
  std::string out;
  if (!enforced.empty()) out += fmt::format("WHY, enforced: {}\n{}", leg, why_text(enforced));
  if (!pending.empty()) out += fmt::format("WHY, pending: {}\n{}", leg, why_text(pending));
  return out;
}

}  // namespace

std::string explain_text(const Worlds& worlds, const Passage& passage, const Fates& fates, Why why, std::size_t width) {
  std::string out = summary(passage, fates) + strangers(worlds, passage);
  const std::vector<LegPair> pairs = paired(fates);
  if (pairs.empty()) return out + "no endpoint of this host judges it\n";
  out += width < narrowest_for_two ? one_below_other(pairs) : side_by_side(pairs, width);
  if (why == Why::no) return out;
  for (const LegPair& pair : pairs) out += reasons(worlds, passage, pair);
  return out;
}

}  // namespace drywall::cli
