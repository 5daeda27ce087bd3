// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/first_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <system_error>
#include <thread>

#include "machine/links.h"

namespace drywall {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds slice{50};
constexpr int most_slices = 20;

std::optional<std::uint64_t> number_in(const char* path) {
  std::uint64_t number = 0;
  return std::ifstream(path) >> number ? std::optional(number) : std::nullopt;
}

bool forwards() {
  return number_in("/proc/sys/net/ipv4/ip_forward").value_or(0) != 0 ||
         number_in("/proc/sys/net/ipv6/conf/all/forwarding").value_or(0) != 0;
}

std::uint64_t tracked() {
  return number_in("/proc/sys/net/netfilter/nf_conntrack_count").value_or(0);
}

void wait_for_forwarded() {
  std::uint64_t before = tracked();
  for (int i = 0; i < most_slices; ++i) {
    std::this_thread::sleep_for(slice);
    const std::uint64_t now = tracked();
    if (now <= before) return;
    before = now;
  }
}

/// Adds what was entered now to what was before.
void enter(WarmUp& warm_up) {
  const Result<Entered> entered = enter_live_connections();
  if (!entered) {
    std::string warning = to_string(entered.error());
    if (std::ranges::find(warm_up.warnings, warning) == warm_up.warnings.end())
      warm_up.warnings.push_back(std::move(warning));
    return;
  }
  warm_up.entered.fresh += entered->fresh;
  warm_up.entered.refused = entered->refused;  // all are tried again each time
  warm_up.entered.error = entered->error;
  warm_up.entered.is_whole = entered->is_whole;
}

void warn(WarmUp& warm_up) {
  const Entered& entered = warm_up.entered;
  if (entered.refused > 0) {
    warm_up.warnings.push_back(fmt::format("the kernel does not take {} live connections into connection tracking: {}",
                                           entered.refused, std::generic_category().message(entered.error)));
  }
  if (!entered.is_whole) warm_up.warnings.emplace_back("there are more sockets than were read");
  if (number_in("/proc/sys/net/netfilter/nf_conntrack_tcp_loose") == 0) {
    warm_up.warnings.emplace_back(
        "sysctl net.netfilter.nf_conntrack_tcp_loose is 0: forwarded TCP connections from before the first rules are "
        "invalid to the kernel, and are cut");
  }
}

}  // namespace

Ruleset tracking_only(const Ruleset& ruleset) {
  Ruleset tracking;
  for (const Table& table : ruleset.tables) {
    // That such a rule is there is enough: no packet has to meet it.
    NftRule<Stance::observe> rule;
    rule.matches = {StateIs{ct_state::established}};
    rule.end = Return{};
    Table& bare = tracking.tables.emplace_back();
    bare.family = table.family;
    bare.observe.chains = {{{"warm-up"}, std::nullopt, {std::move(rule)}}};
  }
  return tracking;
}

Forwarded forwarded_here() {
  if (!forwards()) return Forwarded::not_waited_for;
  const Result<std::vector<Link>> links = read_links();
  const bool is_reachable = links && std::ranges::any_of(*links, [](const Link& link) {
                              return link.interface.name != "lo" && !link.interface.addresses.empty();
                            });
  return is_reachable ? Forwarded::waited_for : Forwarded::not_waited_for;
}

WarmUp warm_up(const std::function<std::optional<Failure>()>& track, Forwarded forwarded) {
  const Clock::time_point began = Clock::now();
  WarmUp warm_up;
  // Before their packets are tracked: one that came first from the answering side would be entered the wrong way round.
  enter(warm_up);
  if (const std::optional<Failure> failure = track()) {
    warm_up.warnings.push_back(to_string(*failure));
  } else {
    if (forwarded == Forwarded::waited_for) wait_for_forwarded();
    enter(warm_up);
  }
  warn(warm_up);
  warm_up.took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began);
  return warm_up;
}

}  // namespace drywall
