// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/parse_service.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "policy/parse_net.h"
#include "policy/parse_port.h"
#include "policy/spelling.h"

namespace drywall::reading {
namespace {

constexpr std::size_t most_endpoints = 100'000;
constexpr std::size_t most_addresses = 100;
constexpr std::size_t most_slice_ports = 100;
constexpr std::string_view service_label = "kubernetes.io/service-name";

struct SlicePort {
  Protocol protocol;
  std::uint16_t port = 0;
};

std::vector<SlicePort> read_ports(Fields& slice) {
  std::vector<SlicePort> ports;
  for (const yaml::Node& node : slice.items("ports", most_slice_ports)) {
    Fields fields(slice.reader(), &node, "a port");
    std::optional<Protocol> transport = protocol::tcp;
    if (const yaml::Node* written = fields.find("protocol"))
      transport = read_transport(slice.reader(), *written, "protocol");
    const yaml::Node* number = fields.find("port");
    fields.accept({"name", "appProtocol"});
    fields.done();
    if (number == nullptr) continue;  // any port: nothing that a rule could match
    const auto port = read_port_number(slice.reader(), *number, "port");
    if (transport && port) ports.push_back({*transport, *port});
  }
  return ports;
}

enum class AddressType { ip, name };

AddressType read_address_type(Fields& slice) {
  const yaml::Node* node = slice.find("addressType");
  if (node == nullptr) {
    slice.missing("addressType", "write IPv4 or IPv6");
    return AddressType::ip;
  }
  const auto index = slice.reader().word(*node, "addressType", "bad-address-type", {"IPv4", "IPv6", "FQDN"});
  return index == std::size_t{2} ? AddressType::name : AddressType::ip;
}

std::vector<Address> read_addresses(Fields& slice) {
  const AddressType type = read_address_type(slice);
  std::vector<Address> addresses;
  for (const yaml::Node& node : slice.items("endpoints", most_endpoints)) {
    Fields fields(slice.reader(), &node, "an endpoint");
    for (const yaml::Node& item : fields.items("addresses", most_addresses)) {
      if (type == AddressType::name) continue;
      if (const auto address = read_address(slice.reader(), item, "an endpoint's address"))
        addresses.push_back(*address);
    }
    fields.accept({"conditions", "hostname", "targetRef", "nodeName", "zone", "hints", "deprecatedTopology"});
    fields.done();
  }
  return addresses;
}

}  // namespace

Service& service_named(Draft& draft, const std::string& ns, const std::string& name, const SourceLocation& at) {
  std::vector<Service>& services = draft.inventory.services;
  const auto key = std::pair(ns, name);
  const auto known = draft.service_index.find(key);
  if (known != draft.service_index.end()) return services[known->second];
  draft.service_index.emplace(key, services.size());
  services.push_back({ns, name, {}, at, {}});
  return services.back();
}

void read_service(Document& document) {
  document.fields.accept({"spec"});
  Service& service = service_named(document.draft, document.metadata.ns, document.metadata.name, document.at);
  service.at = document.at;
  document.draft.services_written.emplace(service.ns, service.name);
}

void read_endpoint_slice(Document& document) {
  const std::vector<SlicePort> ports = read_ports(document.fields);
  const std::vector<Address> addresses = read_addresses(document.fields);
  const auto label = document.metadata.labels.find(service_label);
  if (label == document.metadata.labels.end() || label->second.empty()) {
    document.reader.error(document.metadata.at, "slice-without-service",
                          "the slice does not say whose endpoints it lists",
                          "write the label \"kubernetes.io/service-name: NAME\" in metadata");
    return;
  }
  std::size_t& left = document.draft.expansion_left;
  if (!ports.empty() && left / ports.size() < addresses.size()) {
    document.reader.error(document.metadata.at, "too-many", "too many endpoints and ports", "write smaller slices");
    return;
  }
  left -= ports.size() * addresses.size();
  Service& service = service_named(document.draft, document.metadata.ns, label->second, document.at);
  service.addresses.insert(service.addresses.end(), addresses.begin(), addresses.end());
  for (const Address& address : addresses) {
    for (const SlicePort& port : ports) service.endpoints.push_back({address, port.protocol, port.port});
  }
}

}  // namespace drywall::reading
