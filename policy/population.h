// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policy/label_index.h"
#include "policy/model.h"

namespace drywall {

/// Everything that a selector can match, with inherited labels; answers whether anything does. Each distinct selector
/// is tried once, and the number of trials is bounded: when it is used up, everything is said to match.
class Population {
 public:
  enum class Among { hosts, workloads, endpoints, endpoints_and_sets };

  explicit Population(const Inventory& inventory);
  [[nodiscard]] bool has_endpoints() const { return sets_ > 0; }
  /// The first host endpoint that would match if it were a workload of this namespace: the position in the inventory.
  [[nodiscard]] std::optional<std::size_t> host_as_workload(const Selector& selector, const std::string& ns);
  [[nodiscard]] bool any_matches(const Selector& selector, Among among);
  [[nodiscard]] std::span<const Labels> hosts() const { return std::span(subjects_).first(workloads_); }

 private:
  struct Interval {
    std::size_t begin;
    std::size_t end;
  };
  [[nodiscard]] Interval interval(Among among) const;
  [[nodiscard]] bool try_all(const Selector& selector, Interval among);
  [[nodiscard]] bool try_one(const Selector& selector, std::uint32_t subject);

  std::vector<Labels> subjects_;  // hosts, workloads, sets
  std::size_t workloads_ = 0;     // where they begin
  std::size_t sets_ = 0;
  std::unordered_map<std::string, std::vector<std::uint32_t>> by_label_;  // "key=value" to subjects, ascending
  std::unordered_map<std::string, bool> known_;
  std::string disguise_;           // the namespace for which `disguised_` was made
  std::vector<Labels> disguised_;  // hosts with the labels of its workloads
  std::size_t trials_left_ = 2'000'000;
};

}  // namespace drywall
