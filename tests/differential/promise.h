// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "policy/edit.h"
#include "policy/plan.h"
#include "policy/yaml.h"
#include "tests/differential/witness.h"
#include "tests/differential/yaml_value.h"

namespace drywall::test {

/// The documents in so many files.
[[nodiscard]] std::vector<yaml::SourceFile> spread(const Documents& documents, std::size_t files);

/// A directory with staged policies, and the same when all of them are promoted that can be. What learns in the first
/// is set in the second, as its owner would write before promoting it; what is ignored stays so.
struct Promotion {
  std::vector<yaml::SourceFile> before;
  std::vector<yaml::SourceFile> after;
  std::uint64_t replaced = 0;  // enforced policies of the same identity
  std::uint64_t deleted = 0;
  Diagnostics refusals;
};
///   files  as to_yaml() writes them
[[nodiscard]] Promotion promotion_of(std::vector<yaml::SourceFile> files);

/// What was compared.
struct Compared {
  std::uint64_t packets = 0;
  std::uint64_t changed = 0;         // packets that promotion lets through or stops
  std::uint64_t legs = 0;            // judged in the pending world before and in the enforced one afterwards
  std::uint64_t ends_of_tier = 0;    // hits in them whose blame the two worlds tell differently on purpose
  std::uint64_t predicted = 0;       // legs among them that a trace of was worked out, not logged
  std::uint64_t stopped_before = 0;  // legs that were said not to be reached, and are not
  std::uint64_t first_reached = 0;   // legs that no packet came to before: the evaluator told them
  std::uint64_t elsewhere = 0;       // packets that are tracked in one world only, looked at until then
  std::uint64_t behind_dnat = 0;     // legs that the records say too much of, as docs/flow-records.md tells
};

/// What the records of one packet promised before the promotion, and do not say or the kernel does not do afterwards.
/// Nothing if all was kept.
[[nodiscard]] std::optional<std::string> broken_promise(const Journey& journey, const TraceBook& promising,
                                                        const PacketSeen& before, const PacketSeen& after,
                                                        Compared& compared);

}  // namespace drywall::test
