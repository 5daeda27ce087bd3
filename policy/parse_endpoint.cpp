// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/parse_endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "policy/name.h"
#include "policy/parse_metadata.h"
#include "policy/parse_net.h"
#include "policy/parse_port.h"
#include "policy/spelling.h"

namespace drywall::reading {
namespace {

constexpr std::size_t most_addresses = 4096;
constexpr std::size_t most_profiles = 256;

std::string read_node(Fields& spec) {
  if (!spec.text("node")) {
    if (spec.find("node") == nullptr || spec.find("node")->text.empty()) {
      spec.missing("node", "write the name of the host that the endpoint is on");
    }
    return {};
  }
  return read_reference(spec.reader(), *spec.find("node"), "node");
}

enum class Star { allowed, refused };

std::string read_interface(Fields& spec, Star star) {
  const auto name = spec.text("interfaceName");
  if (!name) return {};
  if (is_interface_name(*name) || (*name == "*" && star == Star::allowed)) return std::string(*name);
  spec.reader().error(*spec.find("interfaceName"), "bad-interface",
                      fmt::format("{} cannot be the name of an interface", in_quotes(*name)),
                      name->size() > 15 ? "a name has at most 15 characters: see \"ip link\""
                                        : "write up to 15 letters, digits, '_', '.' and '-': see \"ip link\"");
  return {};
}

std::vector<std::string> read_profiles(Document& document, Fields& spec) {
  std::vector<std::string> profiles;
  for (const yaml::Node& node : spec.items("profiles", most_profiles)) {
    std::string name = read_reference(document.reader, node, "a profile");
    if (name.empty()) continue;
    document.draft.profiles_named.push_back({name, document.reader.place(node)});
    profiles.push_back(std::move(name));
  }
  return profiles;
}

std::vector<Address> read_expected_ips(Fields& spec) {
  std::vector<Address> addresses;
  for (const yaml::Node& node : spec.items("expectedIPs", most_addresses)) {
    if (const auto address = read_address(spec.reader(), node, "an expected IP")) addresses.push_back(*address);
  }
  return addresses;
}

/// The place that says which interface an endpoint has, or else that of its name.
Place place_of(Fields& spec, std::string_view key, const Document& document) {
  const yaml::Node* node = spec.find(key);
  return node == nullptr ? document.metadata.at : document.reader.place(*node);
}

void claim_host(Document& document, Fields& spec, const HostEndpoint& endpoint) {
  Claim claim{endpoint.node, endpoint.interface_name, {}, endpoint.name, {}};
  claim.at = place_of(spec, endpoint.interface_name.empty() ? "expectedIPs" : "interfaceName", document);
  if (endpoint.interface_name.empty()) {
    for (const Address& address : endpoint.expected_ips) claim.addresses.push_back(to_string(address));
  }
  document.draft.host_claims.push_back(std::move(claim));
}

std::vector<Address> read_ip_networks(Fields& spec) {
  std::vector<Address> addresses;
  for (const yaml::Node& node : spec.items("ipNetworks", most_addresses)) {
    if (const auto address = read_host_net(spec.reader(), node, "an IP network")) addresses.push_back(*address);
  }
  return addresses;
}

/// Addresses that others see instead; only checked.
void check_nats(Fields& spec, const std::vector<Address>& own) {
  Reader& reader = spec.reader();
  for (const yaml::Node& node : spec.items("ipNATs", most_addresses)) {
    Fields nat(reader, &node, "an IP NAT");
    const yaml::Node* internal_node = nat.find("internalIP");
    const yaml::Node* external_node = nat.find("externalIP");
    if (internal_node == nullptr) nat.missing("internalIP", "write the endpoint's own address");
    if (external_node == nullptr) nat.missing("externalIP", "write the address that others see");
    nat.done();
    if (internal_node == nullptr || external_node == nullptr) continue;
    const auto internal = read_address(reader, *internal_node, "internalIP");
    const auto external = read_address(reader, *external_node, "externalIP");
    if (!internal || !external) continue;
    if (std::find(own.begin(), own.end(), *internal) == own.end()) {
      reader.error(*internal_node, "nat-outside-networks",
                   fmt::format("{} is not among the endpoint's ipNetworks", internal_node->text),
                   "write one of the endpoint's own addresses");
    }
    if (internal->family != external->family) {
      reader.error(*external_node, "family-mismatch",
                   fmt::format("{} is {}, but internalIP is {}", external_node->text, name_of(external->family),
                               name_of(internal->family)),
                   "write an address of the same family");
    }
  }
}

void check_gateway(Fields& spec, std::string_view key, Family family) {
  if (!spec.text(key)) return;
  const yaml::Node& node = *spec.find(key);
  const auto address = read_address(spec.reader(), node, key);
  if (!address || address->family == family) return;
  spec.reader().error(node, "family-mismatch",
                      fmt::format("{} must be an {} address, found {}", key, name_of(family), node.text));
}

void check_container_id(Fields& spec) {
  const auto text = spec.text("containerID");
  if (!text || is_container_id(*text)) return;
  spec.reader().error(*spec.find("containerID"), "bad-name",
                      fmt::format("{} cannot be a container's id", in_quotes(*text)), "write letters, digits and '-'");
}

bool is_mac(std::string_view text) {
  if (text.size() != 17) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool separator = i % 3 == 2;
    if (separator != (text[i] == ':' || text[i] == '-')) return false;
    if (!separator && std::isxdigit(static_cast<unsigned char>(text[i])) == 0) return false;
  }
  return true;
}

void check_mac(Fields& spec) {
  const auto text = spec.text("mac");
  if (!text || is_mac(*text)) return;
  spec.reader().error(*spec.find("mac"), "bad-mac", fmt::format("{} is not a MAC address", in_quotes(*text)),
                      "write six pairs of hexadecimal digits: \"02:00:00:00:00:01\"");
}

/// What Calico's network plug-in writes and policy does not need.
void check_unused(Fields& spec, const std::vector<Address>& own) {
  for (const std::string_view key : {"workload", "endpoint"}) {
    if (spec.text(key)) (void)read_reference(spec.reader(), *spec.find(key), key);
  }
  check_container_id(spec);
  check_nats(spec, own);
  check_gateway(spec, "ipv4Gateway", Family::v4);
  check_gateway(spec, "ipv6Gateway", Family::v6);
  check_mac(spec);
  spec.hint({"qosControls"}, "Drywall does not limit rates: leave it out");
}

std::vector<Prefix> read_spoofed_sources(Fields& spec) {
  std::vector<Prefix> prefixes;
  for (const yaml::Node& node : spec.items("allowSpoofedSourcePrefixes", most_addresses)) {
    if (const auto prefix = read_net(spec.reader(), node, NetForm::any)) prefixes.push_back(*prefix);
  }
  return prefixes;
}

std::string optional_reference(Fields& spec, std::string_view key, std::string otherwise) {
  if (!spec.text(key)) return otherwise;
  return read_reference(spec.reader(), *spec.find(key), key);
}

/// The endpoint's labels without those that only a namespace or service account gives, and with those that say which
/// these are, whatever the metadata says (libcalico-go: clientv3/workloadendpoint.go, workloadendpointprocessor.go).
Labels labels_of_workload(const Metadata& metadata, const std::string& orchestrator, const std::string& account) {
  Labels labels;
  for (const auto& [key, value] : metadata.labels) {
    if (!key.starts_with("pcns.") && !key.starts_with("pcsa.")) labels.emplace(key, value);
  }
  labels.insert_or_assign("projectcalico.org/namespace", metadata.ns);
  labels.insert_or_assign("projectcalico.org/orchestrator", orchestrator);
  if (!account.empty()) labels.insert_or_assign("projectcalico.org/serviceaccount", account);
  return labels;
}

}  // namespace

void read_host_endpoint(Document& document) {
  HostEndpoint endpoint;
  endpoint.name = document.metadata.name;
  endpoint.labels = document.metadata.labels;
  endpoint.at = document.at;
  const yaml::Node* node = document.fields.find("spec");
  if (node == nullptr) document.fields.missing("spec", "write node and interfaceName below it");
  Fields spec(document.reader, node, "spec");
  endpoint.node = read_node(spec);
  endpoint.interface_name = read_interface(spec, Star::allowed);
  endpoint.expected_ips = read_expected_ips(spec);
  endpoint.profiles = read_profiles(document, spec);
  endpoint.ports = read_named_ports(spec, PortOwner::host);
  const yaml::Node* ips = spec.find("expectedIPs");
  if (!spec.text("interfaceName") && (ips == nullptr || ips->items.empty())) {
    spec.missing("interfaceName", "write the interface (\"*\" for all), or the host's addresses as expectedIPs");
  }
  spec.hint({"interface"}, "write \"interfaceName\"");
  spec.hint({"labels"}, "labels stand in metadata");
  spec.hint({"expectedIps", "ips"}, "write \"expectedIPs\"");
  spec.done();
  claim_host(document, spec, endpoint);
  document.draft.inventory.host_endpoints.push_back(std::move(endpoint));
}

void read_workload_endpoint(Document& document) {
  WorkloadEndpoint endpoint;
  endpoint.ns = document.metadata.ns;
  endpoint.name = document.metadata.name;
  endpoint.at = document.at;
  const yaml::Node* node = document.fields.find("spec");
  if (node == nullptr) document.fields.missing("spec", "write node, interfaceName and ipNetworks below it");
  Fields spec(document.reader, node, "spec");
  endpoint.node = read_node(spec);
  endpoint.pod = optional_reference(spec, "pod", "");
  endpoint.interface_name = read_interface(spec, Star::refused);
  if (!spec.text("interfaceName"))
    spec.missing("interfaceName", "write the interface on the host that leads to the workload");
  endpoint.addresses = read_ip_networks(spec);
  endpoint.profiles = read_profiles(document, spec);
  endpoint.ports = read_named_ports(spec, PortOwner::workload);
  endpoint.allowed_spoofed_sources = read_spoofed_sources(spec);
  const std::string account = optional_reference(spec, "serviceAccountName", "");
  endpoint.labels = labels_of_workload(document.metadata, optional_reference(spec, "orchestrator", "k8s"), account);
  check_unused(spec, endpoint.addresses);
  spec.hint({"interface"}, "write \"interfaceName\"");
  spec.hint({"expectedIPs", "ips"}, "write \"ipNetworks: [192.0.2.1/32]\"");
  spec.done();
  document.draft.workload_claims.push_back({endpoint.node,
                                            endpoint.interface_name,
                                            {},
                                            endpoint.ns + "/" + endpoint.name,
                                            place_of(spec, "interfaceName", document)});
  document.draft.inventory.workload_endpoints.push_back(std::move(endpoint));
}

}  // namespace drywall::reading
