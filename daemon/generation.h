// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/config.h"
#include "daemon/host.h"
#include "daemon/rendering.h"
#include "policy/compile.h"
#include "policy/diagnostic.h"
#include "policy/model.h"
#include "policy/parse.h"
#include "policy/plan.h"
#include "policy/shared_list.h"
#include "policy/yaml.h"
#include "render/lower.h"
#include "render/lower_memo.h"
#include "render/ruleset.h"

namespace drywall {

/// Everything that one state of the policy directory means on one host. Immutable.
struct Generation {
  Inventory inventory;
  Host host;
  std::shared_ptr<const Plan> enforced;
  std::shared_ptr<const Plan> pending;
  Ruleset ruleset;
  std::string rendering;  // of the ruleset (daemon/rendering.h): equal means that the kernel need not change
};
/// They are the same, plans included.
[[nodiscard]] bool operator==(const Generation& left, const Generation& right);

struct Built {
  std::shared_ptr<const Generation> generation;  // null if there is an error among the diagnostics
  Diagnostics diagnostics;                       // sorted
};

/// From files to what the kernel shall hold: parse, compile both worlds, lower. Pure.
///   files  as read_directory gives them; untrusted
[[nodiscard]] Built build(const SharedList<yaml::SourceFile>& files, const Config& config, const Machine& machine);

/// What the last build() found out. A build with it gives what one without it would give, but what did not change
/// since is not made again, and is the same object in both generations. It holds no more than the last build needed.
struct BuildMemo {
  ParseMemo parse;
  CompileMemo compile;
  LowerMemo lower;
  Ruleset ruleset;  // of the last generation, whose rendering is:
  Rendering rendering;
};
[[nodiscard]] Built build(const SharedList<yaml::SourceFile>& files, const Config& config, const Machine& machine,
                          BuildMemo& memo);

[[nodiscard]] RenderOptions render_options(const Config& config);

/// As Generation::rendering.
[[nodiscard]] std::string rendering_of(const Ruleset& ruleset);

[[nodiscard]] std::size_t count_rules(const Ruleset& ruleset);

/// The comment of our tables: which generation the kernel holds, and what of.
struct GenerationComment {
  std::uint64_t number = 0;
  std::string rendering;
  bool operator==(const GenerationComment&) const = default;
};
[[nodiscard]] std::string to_string(const GenerationComment& comment);  // "generation 12 SHA256"
/// Untrusted: anybody who may write tables may have written it.
[[nodiscard]] std::optional<GenerationComment> parse_generation_comment(std::string_view text);

}  // namespace drywall
