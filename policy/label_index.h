// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policy/model.h"
#include "policy/net.h"
#include "policy/selector.h"

namespace drywall {

/// Everything that a rule's selector can pick, with the labels it has after inheritance: its own, then those of each of
/// its profiles in list order (the first to name a label wins). Answers which addresses and which named ports a
/// selector stands for. Calico: felix/labelindex/named_port_index.go.
class LabelIndex {
 public:
  explicit LabelIndex(const Inventory& inventory);

  /// Labels of the host endpoint, or workload endpoint, at this position of the inventory.
  [[nodiscard]] const Labels& host_labels(std::size_t position) const { return subjects_[position].labels; }
  [[nodiscard]] const Labels& workload_labels(std::size_t position) const {
    return subjects_[hosts_ + position].labels;
  }

  /// Addresses of all subjects that match: workloads' networks, hosts' expectedIPs, network sets' nets.
  [[nodiscard]] AddressSet addresses(const Selector& selector) const;
  /// Ports so named of all endpoints that match; only of `protocol` if one is given. Sorted, distinct.
  [[nodiscard]] std::vector<EndpointPort> ports(const std::vector<std::string>& names, std::optional<Protocol> protocol,
                                                const Selector& selector) const;

 private:
  struct Subject {
    Labels labels;
    std::vector<Address> addresses;
    const std::vector<Prefix>* nets = nullptr;
    const std::vector<NamedPort>* ports = nullptr;
  };
  template <class Visitor>
  void for_each_match(const Selector& selector, Visitor visit) const;

  std::vector<Subject> subjects_;  // hosts, workloads, network sets, in the inventory's order
  std::size_t hosts_ = 0;
  std::unordered_map<std::string, std::vector<std::uint32_t>> by_label_;  // "key=value" to subjects
};

}  // namespace drywall
