// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <set>
#include <string>
#include <vector>

#include "machine/base_chains.h"
#include "machine/links.h"
#include "machine/programs.h"
#include "policy/path.h"

namespace drywall {

/// A port of this host that somebody's destination NAT hands on to an address behind it.
struct Publication {
  Translation translation;
  TableName table;
  std::set<const Program*> programs;
  bool operator==(const Publication&) const = default;
};

/// Of all tables but kube-proxy's, whose Services policies judge by their pods. What leads to the host itself is left
/// out: there ordinary policy is asked.
[[nodiscard]] std::vector<Publication> publications(const std::vector<BaseChain>& chains,
                                                    const std::vector<Link>& links);

/// The interfaces that such packets can come in by without any policy being asked; empty: it is covered.
[[nodiscard]] std::set<std::string> uncovered(const Publication& port, const EndpointMap& endpoints,
                                              const std::vector<Link>& links,
                                              const std::vector<ConnectedNetwork>& networks);

/// `tcp port 8080 to 172.17.0.2:80`.
[[nodiscard]] std::string to_string(const Publication& port);

}  // namespace drywall
