// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "machine/programs.h"
#include "machine/publication.h"

namespace drywall {
namespace {

using Weight = Finding::Weight;
using Words = std::set<std::string>;

std::string joined(const Words& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

bool is_foreign(const BaseChain& chain) {
  const bool sees_ip = chain.table.family != "arp" && chain.table.family != "bridge";
  return sees_ip && !is_ours(chain.table);
}

/// `inet firewalld (firewalld)`.
std::string table_text(const TableName& table, const std::set<const Program*>& programs) {
  const std::string names = names_of(programs);
  return names.empty() ? to_string(table) : fmt::format("{} ({})", to_string(table), names);
}

std::string how_to_allow(const TableName& table, const std::set<const Program*>& programs) {
  std::string out;
  for (const Program* program : programs)
    out += fmt::format("{}{}: {}", out.empty() ? "" : "; ", program->name, program->to_allow);
  if (!out.empty()) return out;
  if (table.backend == Backend::legacy)
    return "allow the same there too, or take it out (iptables-legacy-save shows it)";
  return fmt::format("allow the same there too, or take it out (nft list table {} {} shows it)", table.family,
                     table.table);
}

/// The base chains of one table that drop on one side of ours.
struct Droppers {
  struct Ways {
    bool policy = false;
    bool rules = false;
  };
  std::map<std::string, Ways> hooks;
  std::set<const Program*> programs;

  void add(const BaseChain& chain) {
    Ways& ways = hooks[chain.hook.hook];
    ways.policy |= chain.hook.drops;
    ways.rules |= chain.drops;
    programs.merge(programs_of(chain));
  }
  [[nodiscard]] std::string where() const {
    std::string out;
    for (const auto& [hook, ways] : hooks) {
      const char* const how = ways.policy && ways.rules ? "policy and rules" : ways.policy ? "policy" : "rules";
      out += fmt::format("{}at {} by {}", out.empty() ? "" : ", ", hook, how);
    }
    return out;
  }
};

void add_droppers(const std::vector<BaseChain>& chains, std::span<const OwnPlace> own, Findings& out) {
  std::map<TableName, Droppers> before;
  std::map<TableName, Droppers> after;
  for (const BaseChain& chain : chains) {
    const Order order = order_of(chain.hook, own);
    if (!is_foreign(chain) || !(chain.drops || chain.hook.drops) || order == Order::elsewhere) continue;
    (order == Order::before ? before : after)[chain.table].add(chain);
  }
  for (const auto& [table, droppers] : after) {
    out.push_back({Weight::warning, "drops-after",
                   fmt::format("{} comes after Drywall and can drop what a policy allows, {}",
                               table_text(table, droppers.programs), droppers.where()),
                   how_to_allow(table, droppers.programs)});
  }
  for (const auto& [table, droppers] : before) {
    out.push_back({Weight::note, "drops-before",
                   fmt::format("{} comes before Drywall and can drop, {}: no policy and no preview sees such packets",
                               table_text(table, droppers.programs), droppers.where()),
                   how_to_allow(table, droppers.programs)});
  }
}

void add_legacy(const std::vector<BaseChain>& chains, Findings& out) {
  Words tables;
  for (const BaseChain& chain : chains) {
    if (chain.table.backend == Backend::legacy)
      tables.insert(fmt::format("{} {}", chain.table.family, chain.table.table));
  }
  if (tables.empty()) return;
  out.push_back(
      {Weight::warning, "iptables-legacy",
       fmt::format("the old iptables has rules of its own, which nft does not show: {}", joined(tables)),
       "move them: iptables-legacy-save | iptables-nft-restore, then iptables-legacy -F (and -t nat and so on)"});
}

/// The host endpoint of all interfaces that no other governs; empty: there is none.
std::string wildcard_endpoint(const Plan* plan) {
  if (plan == nullptr) return {};
  for (const PlannedEndpoint& endpoint : plan->endpoints) {
    if (endpoint.local && endpoint.id.kind == EndpointKind::host &&
        endpoint.interfaces == std::vector<std::string>{"*"}) {
      return endpoint.id.name;
    }
  }
  return {};
}

/// Whose rules and interfaces are here.
void add_programs(const Surroundings& seen, const Plan* enforced, Findings& out) {
  std::map<const Program*, std::pair<Words, Words>> found;  // tables and interfaces
  if (seen.chains) {
    for (const BaseChain& chain : *seen.chains) {
      for (const Program* program : programs_of(chain)) found[program].first.insert(to_string(chain.table));
    }
  }
  for (const Link& link : seen.links) {
    if (const Program* program = program_of_interface(link.interface.name))
      found[program].second.insert(link.interface.name);
  }
  const std::string wildcard = wildcard_endpoint(enforced);
  for (const auto& [program, where] : found) {
    const auto& [tables, interfaces] = where;
    std::string message = fmt::format("{} is on this host", program->name);
    if (!tables.empty()) message += fmt::format("; its rules are in {}", joined(tables));
    if (!interfaces.empty()) message += fmt::format("; its interfaces: {}", joined(interfaces));
    const std::string help =
        interfaces.empty() || wildcard.empty()
            ? "nothing: each keeps to its own tables (docs/coexistence.md)"
            : fmt::format("bear in mind that its interfaces are governed by HostEndpoint {}, whose interface is *",
                          wildcard);
    out.push_back({Weight::note, fmt::format("found-{}", program->word), std::move(message), help});
  }
}

void add_boot_units(const std::vector<BootUnit>& units, Findings& out) {
  for (const BootUnit& unit : units) {
    const bool flushes = !unit.flushes.empty();
    const std::string message = flushes ? fmt::format("{} is enabled, and {} flushes every table whenever it starts",
                                                      unit.name, fmt::join(unit.flushes, ", "))
                                        : fmt::format("{} is enabled and loads rules of its own at boot", unit.name);
    const std::string help =
        unit.before_drywall
            ? "nothing: Drywall starts after it, and while drywalld runs it puts back what is flushed"
            : fmt::format("let Drywall start after it: systemctl edit drywalld, [Unit] After={}", unit.name);
    out.push_back({flushes && !unit.before_drywall ? Weight::warning : Weight::note,
                   flushes ? "flush-at-boot" : "loads-at-boot", message, help});
  }
}

void add_publications(const Surroundings& seen, const PolicyView& policies, Findings& out) {
  constexpr std::size_t most = 50;
  if (!seen.chains || policies.enforced == nullptr || policies.pending == nullptr) return;
  const EndpointMap enforced(*policies.enforced, {});
  const EndpointMap pending(*policies.pending, {});
  std::size_t left_out = 0;
  for (const Publication& port : publications(*seen.chains, seen.links)) {
    const Words open = uncovered(port, enforced, seen.links, seen.networks);
    if (open.empty()) continue;
    if (std::ranges::count(out, "published-port", &Finding::code) >= static_cast<std::ptrdiff_t>(most)) {
      ++left_out;
      continue;
    }
    const bool staged = uncovered(port, pending, seen.links, seen.networks).empty();
    out.push_back(
        {Weight::warning, "published-port",
         fmt::format("{} is published by {}, and {} covers it on {}", to_string(port),
                     table_text(port.table, port.programs), staged ? "only a staged policy" : "no policy",
                     joined(open)),
         "write a policy with applyOnForward (it judges the container's address and port) or preDNAT (it judges "
         "the published port) for that host endpoint"});
  }
  if (left_out == 0) return;
  out.push_back({Weight::warning, "published-port",
                 fmt::format("{} more published ports are covered by no policy", left_out),
                 "write a policy with applyOnForward or preDNAT for the host endpoints"});
}

void add_conntrack(const Surroundings& seen, Findings& out) {
  const bool ours = seen.chains && std::ranges::any_of(*seen.chains, is_ours, &BaseChain::table);
  if (seen.conntrack && seen.conntrack->limit > 0) {
    const auto& [entries, limit] = *seen.conntrack;
    const std::string use = fmt::format("{} of {} connections", entries, limit);
    if (4 * entries >= 3 * limit) {
      out.push_back(
          {20 * entries >= 19 * limit ? Weight::error : Weight::warning, "conntrack-full",
           fmt::format("the connection tracking table is nearly full: {}; what finds no place is dropped", use),
           "raise it: sysctl net.netfilter.nf_conntrack_max, and the same in /etc/sysctl.d"});
    } else if (ours) {
      out.push_back(
          {Weight::note, "conntrack-on",
           fmt::format("Drywall's rules have connection tracking on for all traffic of this host: {}", use),
           "nothing, unless this host forwards more than it can track: then raise net.netfilter.nf_conntrack_max"});
    }
  }
  if (seen.picks_up_connections == false) {
    out.push_back({Weight::warning, "conntrack-strict",
                   "net.netfilter.nf_conntrack_tcp_loose is 0: TCP connections that are older than the rules count as "
                   "invalid, and are cut by the first load",
                   "set it to 1 before the first load, and back afterwards if you need it so"});
  }
}

void add_nflog(const NflogState& nflog, Findings& out) {
  if (!nflog.in_kernel) {
    out.push_back(
        {Weight::error, "nflog-missing",
         "this kernel has no nfnetlink_log: policies are enforced, but there are no flow records and no previews",
         "install the kernel's netfilter modules, or enable CONFIG_NETFILTER_NETLINK_LOG"});
  }
  if (!nflog.holder || nflog.holder->name == "drywalld") return;
  const std::string who = nflog.holder->process == 0
                              ? fmt::format("somebody else (netlink port {})", nflog.holder->port)
                              : fmt::format("{} (process {})", nflog.holder->name, nflog.holder->process);
  out.push_back({Weight::error, "nflog-taken",
                 fmt::format("the NFLOG group that Drywall wants is taken by {}: there are no flow records", who),
                 "set nflog_group in /etc/drywall/drywall.yaml to a group that is free, then drywall reload"});
}

bool is_macvlan(std::string_view kind) {
  constexpr std::array<std::string_view, 4> kinds{"macvlan", "macvtap", "ipvlan", "ipvtap"};
  return std::ranges::find(kinds, kind) != kinds.end();
}

void add_links(const Surroundings& seen, Findings& out) {
  Words vrfs;
  Words macvlans;
  bool has_bridge = false;
  for (const Link& link : seen.links) {
    has_bridge |= link.kind == "bridge";
    if (is_macvlan(link.kind)) macvlans.insert(link.interface.name);
    const auto master = std::ranges::find(seen.links, link.master, [](const Link& l) { return l.interface.name; });
    if (!link.master.empty() && master != seen.links.end() && master->kind == "vrf") {
      vrfs.insert(fmt::format("{} (of {})", link.interface.name, link.master));
    }
  }
  if (!vrfs.empty()) {
    out.push_back({Weight::warning, "vrf",
                   fmt::format("packets of these come in by the name of their VRF: {}", joined(vrfs)),
                   "name the VRF, not its member, as the interface of a host endpoint"});
  }
  if (!macvlans.empty()) {
    out.push_back(
        {Weight::warning, "macvlan",
         fmt::format("what passes between these and the network below them meets no rule of another namespace: {}",
                     joined(macvlans)),
         "police such guests where they are, or give them a bridge"});
  }
  if (has_bridge && seen.bridges_show_packets) {
    out.push_back(
        {Weight::note, "bridge-netfilter",
         "bridge-nf-call-iptables is 1: forward policy also judges what a bridge passes between its own ports",
         "nothing if that is meant; else set net.bridge.bridge-nf-call-iptables and -ip6tables to 0"});
  }
}

void add_ipsec(const Surroundings& seen, Findings& out) {
  if (seen.ipsec_policies.value_or(0) == 0) return;
  out.push_back(
      {Weight::warning, "ipsec-without-interface",
       fmt::format("{} IPsec {} no interface to go with: what comes out of such a tunnel is judged as "
                   "if it came by the outer interface, in the clear",
                   *seen.ipsec_policies, seen.ipsec_policies == std::size_t{1} ? "policy has" : "policies have"),
       "give the tunnels xfrm interfaces (if_id), and these host endpoints"});
}

void add_bridges(const Diagnostics& diagnostics, Findings& out) {
  for (const Diagnostic& diagnostic : diagnostics) {
    out.push_back({Weight::warning, diagnostic.code,
                   fmt::format("{}: {}", to_string(diagnostic.at), diagnostic.message), diagnostic.help});
  }
}

}  // namespace

std::string_view to_string(Order order) {
  switch (order) {
    case Order::before:
      return "before";
    case Order::between:
      return "between";
    case Order::after:
      return "after";
    case Order::elsewhere:
      break;
  }
  return "elsewhere";
}

Order order_of(const ChainHook& hook, std::span<const OwnPlace> own) {
  if (hook.hook == "ingress") return Order::before;
  if (hook.hook == "egress") return Order::after;
  const auto place = std::ranges::find(own, hook.hook, &OwnPlace::hook);
  if (place == own.end()) return Order::elsewhere;
  if (hook.priority < place->first) return Order::before;
  return hook.priority > place->last ? Order::after : Order::between;
}

std::vector<OwnPlace> own_places(std::vector<OwnPlace> usual, const std::vector<BaseChain>& chains) {
  std::map<std::string, OwnPlace> real;
  for (const BaseChain& chain : chains) {
    if (!is_ours(chain.table)) continue;
    const std::int32_t priority = chain.hook.priority;
    OwnPlace& place = real.try_emplace(chain.hook.hook, OwnPlace{chain.hook.hook, priority, priority}).first->second;
    place.first = std::min(place.first, priority);
    place.last = std::max(place.last, priority);
  }
  for (OwnPlace& place : usual) {
    if (const auto found = real.find(place.hook); found != real.end()) place = found->second;
  }
  return usual;
}

Findings diagnose(const Surroundings& seen, std::span<const OwnPlace> own, const PolicyView& policies) {
  Findings out;
  add_nflog(seen.nflog, out);
  if (seen.chains) {
    add_droppers(*seen.chains, own, out);
    add_legacy(*seen.chains, out);
  }
  add_boot_units(seen.boot_units, out);
  add_publications(seen, policies, out);
  add_conntrack(seen, out);
  add_links(seen, out);
  add_ipsec(seen, out);
  add_bridges(policies.bridges, out);
  add_programs(seen, policies.enforced, out);
  std::ranges::stable_sort(out, {}, &Finding::weight);
  return out;
}

}  // namespace drywall
