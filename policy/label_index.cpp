// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/label_index.h"

#include <algorithm>

namespace drywall {
namespace {

using ProfileLabels = std::unordered_map<std::string_view, const Labels*>;

ProfileLabels labels_of_profiles(const Inventory& inventory) {
  ProfileLabels found;
  for (const Profile& profile : inventory.profiles) found.emplace(profile.name, &profile.labels_to_apply);
  return found;
}

Labels inherited(Labels own, const std::vector<std::string>& profiles, const ProfileLabels& labels_of) {
  for (const std::string& profile : profiles) {
    const auto found = labels_of.find(profile);
    if (found == labels_of.end()) continue;
    own.insert(found->second->begin(), found->second->end());  // keeps what is already there
  }
  return own;
}

std::string label_key(std::string_view key, std::string_view value) {
  std::string text(key);
  text += '=';
  text += value;
  return text;
}

}  // namespace

LabelIndex::LabelIndex(const Inventory& inventory) : hosts_(inventory.host_endpoints.size()) {
  const ProfileLabels labels_of = labels_of_profiles(inventory);
  for (const HostEndpoint& host : inventory.host_endpoints) {
    subjects_.push_back({inherited(host.labels, host.profiles, labels_of), host.expected_ips, nullptr, &host.ports});
  }
  for (const WorkloadEndpoint& workload : inventory.workload_endpoints) {
    subjects_.push_back(
        {inherited(workload.labels, workload.profiles, labels_of), workload.addresses, nullptr, &workload.ports});
  }
  for (const NetworkSet& set : inventory.network_sets) {
    const std::vector<std::string> profiles =
        set.ns.empty() ? std::vector<std::string>{} : std::vector{"kns." + set.ns};
    subjects_.push_back({inherited(set.labels, profiles, labels_of), {}, &set.nets, nullptr});
  }
  for (std::uint32_t position = 0; position < subjects_.size(); ++position) {
    for (const auto& [key, value] : subjects_[position].labels) by_label_[label_key(key, value)].push_back(position);
  }
}

template <class Visitor>
void LabelIndex::for_each_match(const Selector& selector, Visitor visit) const {
  if (const auto equality = selector.required_equality()) {
    const auto candidates = by_label_.find(label_key(equality->first, equality->second));
    if (candidates == by_label_.end()) return;
    for (const std::uint32_t position : candidates->second) {
      if (selector.matches(subjects_[position].labels)) visit(subjects_[position]);
    }
    return;
  }
  for (const Subject& subject : subjects_) {
    if (selector.matches(subject.labels)) visit(subject);
  }
}

AddressSet LabelIndex::addresses(const Selector& selector) const {
  std::vector<AddressRange> ranges;
  for_each_match(selector, [&](const Subject& subject) {
    for (const Address& address : subject.addresses) ranges.push_back({address, address});
    if (subject.nets != nullptr) {
      for (const Prefix& net : *subject.nets) ranges.push_back(range_of(net));
    }
  });
  return AddressSet(std::move(ranges));
}

std::vector<EndpointPort> LabelIndex::ports(const std::vector<std::string>& names, std::optional<Protocol> protocol,
                                            const Selector& selector) const {
  std::vector<EndpointPort> found;
  for_each_match(selector, [&](const Subject& subject) {
    if (subject.ports == nullptr) return;
    for (const NamedPort& port : *subject.ports) {
      if (protocol && port.protocol != *protocol) continue;
      if (std::ranges::find(names, port.name) == names.end()) continue;
      for (const Address& address : subject.addresses) found.push_back({address, port.protocol, port.port});
    }
  });
  std::ranges::sort(found);
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

}  // namespace drywall
