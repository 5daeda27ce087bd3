// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "machine/live_connections.h"
#include "policy/result.h"
#include "render/ruleset.h"

// Before rules of ours there may have been none that made the kernel track connections. Then it knows no connection
// that lives, and to the first rules the answering side of one would be the beginning of another.

namespace drywall {

/// How the connections that live became known before the first rules.
struct WarmUp {
  Entered entered;                    // of this host's own sockets
  std::chrono::microseconds took{0};  // from the first look at the sockets to the rules' turn
  std::vector<std::string> warnings;  // what could not be done; the rules come all the same
  bool operator==(const WarmUp&) const = default;
};

/// The tables of `ruleset` without a rule that a packet meets, but one that makes the kernel track connections.
[[nodiscard]] Ruleset tracking_only(const Ruleset& ruleset);

/// Whether connections that this host only forwards are waited for. They have no socket here: the kernel gets to know
/// them by their packets alone, from when it tracks.
enum class Forwarded : std::uint8_t { waited_for, not_waited_for };
/// Whether this host forwards, and has an address to do it with: at boot it has none.
[[nodiscard]] Forwarded forwarded_here();

/// Enters live connections, lets the kernel track and enters those that came in between. Forwarded ones are waited for
/// as long as more of them become known, 50 ms to 1 s.
///   track  puts tracking_only() into the kernel
[[nodiscard]] WarmUp warm_up(const std::function<std::optional<Failure>()>& track, Forwarded forwarded);

}  // namespace drywall
