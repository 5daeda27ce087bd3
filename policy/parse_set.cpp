// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/parse_set.h"

#include <utility>

#include "policy/parse_net.h"

namespace drywall::reading {
namespace {

constexpr std::size_t most_nets = 1'000'000;
constexpr std::string_view namespace_label = "projectcalico.org/namespace";

/// A set cannot say of itself which namespace it is in.
void refuse_namespace_label(Document& document) {
  if (document.metadata.labels.count(namespace_label) == 0) return;
  const yaml::Node* labels = document.fields.find("metadata")->find("labels");
  for (const auto& [key, value] : labels->entries) {
    if (key.text != namespace_label) continue;
    document.reader.error(key, "reserved-label", "a network set cannot have the label projectcalico.org/namespace",
                          "leave it out: a NetworkSet has it by its metadata.namespace");
  }
}

}  // namespace

void read_network_set(Document& document) {
  refuse_namespace_label(document);
  NetworkSet set;
  set.ns = document.metadata.ns;
  set.name = document.metadata.name;
  set.labels = document.metadata.labels;
  set.at = document.at;
  if (!set.ns.empty()) set.labels.insert_or_assign(std::string(namespace_label), set.ns);
  Fields spec(document.reader, document.fields.find("spec"), "spec");
  for (const yaml::Node& node : spec.items("nets", most_nets)) {
    if (const auto net = read_net(document.reader, node, NetForm::any)) set.nets.push_back(*net);
  }
  spec.hint({"allowedEgressDomains"}, "names of hosts are not supported: write addresses as \"nets\"");
  spec.hint({"cidrs", "ips"}, "write \"nets\"");
  spec.done();
  document.draft.inventory.network_sets.push_back(std::move(set));
}

}  // namespace drywall::reading
