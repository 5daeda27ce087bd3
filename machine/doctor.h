// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "machine/finding.h"
#include "machine/surroundings.h"
#include "policy/diagnostic.h"
#include "policy/plan.h"

namespace drywall {

/// Between which priorities our base chains of a hook stand.
struct OwnPlace {
  std::string hook;
  std::int32_t first = 0;
  std::int32_t last = 0;
  bool operator==(const OwnPlace&) const = default;
};

/// Where somebody's base chain stands to ours.
enum class Order : std::uint8_t { before, between, after, elsewhere };  // elsewhere: at no hook of ours
[[nodiscard]] std::string_view to_string(Order order);
[[nodiscard]] Order order_of(const ChainHook& hook, std::span<const OwnPlace> own);

/// `usual` with what the kernel really holds of ours in its place, hook by hook.
[[nodiscard]] std::vector<OwnPlace> own_places(std::vector<OwnPlace> usual, const std::vector<BaseChain>& chains);

/// What the policy directory says; null: it could not be read.
struct PolicyView {
  const Plan* enforced = nullptr;
  const Plan* pending = nullptr;
  Diagnostics bridges = {};  // of lint_bridges
};

/// Everything that is worth telling, the worst first.
[[nodiscard]] Findings diagnose(const Surroundings& seen, std::span<const OwnPlace> own, const PolicyView& policies);

}  // namespace drywall
