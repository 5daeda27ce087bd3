// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/base_chains.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

namespace drywall {
namespace {

using ChainName = std::pair<TableName, std::string>;
using Index = std::map<ChainName, const RuleChain*>;

/// In the order in which a packet meets them; forwarded ones never meet input and output.
std::ptrdiff_t place_of(std::string_view hook) {
  constexpr std::array<std::string_view, 7> hooks{"ingress", "prerouting",  "input", "forward",
                                                  "output",  "postrouting", "egress"};
  return std::ranges::find(hooks, hook) - hooks.begin();
}

BaseChain gather(const RuleChain& base, const Index& index) {
  BaseChain out{base.table, base.name, *base.hook, false, {}, {}};
  std::vector<const RuleChain*> left{&base};
  while (!left.empty()) {
    const RuleChain& chain = *left.back();
    left.pop_back();
    if (!out.chains.insert(chain.name).second) continue;
    out.drops |= chain.drops;
    out.translations.insert(out.translations.end(), chain.translations.begin(), chain.translations.end());
    for (const std::string& name : chain.calls) {
      if (const auto called = index.find({base.table, name}); called != index.end()) left.push_back(called->second);
    }
  }
  std::ranges::sort(out.translations);
  const auto repeated = std::ranges::unique(out.translations);
  out.translations.erase(repeated.begin(), repeated.end());
  return out;
}

}  // namespace

std::vector<BaseChain> base_chains(const std::vector<RuleChain>& chains) {
  Index index;
  for (const RuleChain& chain : chains) index.emplace(ChainName{chain.table, chain.name}, &chain);
  std::vector<BaseChain> out;
  for (const RuleChain& chain : chains) {
    if (chain.hook) out.push_back(gather(chain, index));
  }
  const auto order = [](const BaseChain& chain) {
    return std::tuple(place_of(chain.hook.hook), chain.hook.priority, chain.table, chain.name);
  };
  std::ranges::sort(out, {}, order);
  return out;
}

bool is_ours(const TableName& table) {
  return table.table == "drywall" && table.backend == Backend::nf_tables &&
         (table.family == "ip" || table.family == "ip6");
}

std::string to_string(const TableName& table) {
  return fmt::format("{} {}{}", table.family, table.table,
                     table.backend == Backend::legacy ? " (iptables-legacy)" : "");
}

}  // namespace drywall
