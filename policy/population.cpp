// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/population.h"

#include <algorithm>

namespace drywall {
namespace {

std::string label_key(std::string_view key, std::string_view value) {
  std::string text(key);
  text += '=';
  text += value;
  return text;
}

/// A set's own labels and those of its namespace.
Labels labels_of(const NetworkSet& set, const Inventory& inventory) {
  Labels labels = set.labels;
  if (set.ns.empty()) return labels;
  const auto profile = std::lower_bound(inventory.profiles.begin(), inventory.profiles.end(), "kns." + set.ns,
                                        [](const Profile& p, const std::string& name) { return p.name < name; });
  if (profile != inventory.profiles.end() && profile->name == "kns." + set.ns) {
    labels.insert(profile->labels_to_apply.begin(), profile->labels_to_apply.end());
  }
  return labels;
}

}  // namespace

Population::Population(const Inventory& inventory) {
  const LabelIndex index(inventory);
  for (std::size_t i = 0; i < inventory.host_endpoints.size(); ++i) subjects_.push_back(index.host_labels(i));
  workloads_ = subjects_.size();
  for (std::size_t i = 0; i < inventory.workload_endpoints.size(); ++i) subjects_.push_back(index.workload_labels(i));
  sets_ = subjects_.size();
  for (const NetworkSet& set : inventory.network_sets) subjects_.push_back(labels_of(set, inventory));
  for (std::uint32_t i = 0; i < subjects_.size(); ++i) {
    for (const auto& [key, value] : subjects_[i]) by_label_[label_key(key, value)].push_back(i);
  }
}

bool Population::any_matches(const Selector& selector, Among among) {
  std::string key = selector.canonical();
  key += static_cast<char>('0' + static_cast<int>(among));
  const auto known = known_.find(key);
  if (known != known_.end()) return known->second;
  const bool answer = try_all(selector, interval(among));
  known_.emplace(std::move(key), answer);
  return answer;
}

std::optional<std::size_t> Population::host_as_workload(const Selector& selector, const std::string& ns) {
  if (disguised_.empty() || disguise_ != ns) {
    disguise_ = ns;
    disguised_.assign(hosts().begin(), hosts().end());
    for (Labels& labels : disguised_) {
      labels.insert_or_assign("projectcalico.org/orchestrator", "k8s");
      labels.insert_or_assign("projectcalico.org/namespace", ns);
    }
  }
  for (std::size_t i = 0; i < disguised_.size() && trials_left_ > 0; ++i, --trials_left_) {
    if (selector.matches(disguised_[i])) return i;
  }
  return {};
}

Population::Interval Population::interval(Among among) const {
  switch (among) {
    case Among::hosts:
      return {0, workloads_};
    case Among::workloads:
      return {workloads_, sets_};
    case Among::endpoints:
      return {0, sets_};
    case Among::endpoints_and_sets:
      return {0, subjects_.size()};
  }
  return {};
}

bool Population::try_all(const Selector& selector, Interval among) {
  if (const auto equality = selector.required_equality()) {
    const auto candidates = by_label_.find(label_key(equality->first, equality->second));
    if (candidates == by_label_.end()) return false;
    return std::any_of(candidates->second.begin(), candidates->second.end(), [&](std::uint32_t subject) {
      return subject >= among.begin && subject < among.end && try_one(selector, subject);
    });
  }
  for (std::size_t subject = among.begin; subject < among.end; ++subject) {
    if (try_one(selector, static_cast<std::uint32_t>(subject))) return true;
  }
  return false;
}

bool Population::try_one(const Selector& selector, std::uint32_t subject) {
  if (trials_left_ == 0) return true;
  --trials_left_;
  return selector.matches(subjects_[subject]);
}

}  // namespace drywall
