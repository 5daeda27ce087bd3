// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/parse_felix.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "policy/name.h"
#include "policy/parse_net.h"
#include "policy/parse_port.h"
#include "policy/spelling.h"

namespace drywall::reading {
namespace {

constexpr std::size_t most_failsafe_ports = 1024;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

/// Index of the value in `words`, which are given as Calico writes them, in any case.
std::optional<std::size_t> read_word(Fields& spec, std::string_view key,
                                     std::initializer_list<std::string_view> words) {
  const auto text = spec.text(key);
  if (!text) return {};
  const auto at =
      std::find_if(words.begin(), words.end(), [&](std::string_view w) { return equal_but_for_case(w, *text); });
  if (at != words.end()) return static_cast<std::size_t>(at - words.begin());
  return spec.reader().word(*spec.find(key), key, "bad-action", words);
}

std::optional<EndpointToHost> read_endpoint_to_host(Fields& spec) {
  const auto index = read_word(spec, "defaultEndpointToHostAction", {"Drop", "Return", "Accept", "Reject"});
  if (!index) return {};
  return static_cast<EndpointToHost>(*index);
}

/// As documented by Calico the protocol may be in any case.
std::optional<Protocol> read_failsafe_protocol(Reader& reader, const yaml::Node& node) {
  const auto known = node.type == yaml::Type::scalar ? parse_protocol(lower(node.text)) : std::nullopt;
  if (known && is_transport(*known) && meaning_of(node) == Meaning::text) return known;
  return read_transport(reader, node, "protocol");
}

std::optional<FailsafePort> read_failsafe_port(Reader& reader, const yaml::Node& node) {
  if (node.type == yaml::Type::scalar) {
    reader.error(node, "not-a-mapping", fmt::format("a failsafe port must be a mapping, found {}", found(node)),
                 "write {protocol: TCP, port: 22}, and if need be net: 10.0.0.0/8");
    return {};
  }
  Fields fields(reader, &node, "a failsafe port");
  if (!fields.present()) return {};
  const yaml::Node* protocol_node = fields.find("protocol");
  const yaml::Node* port_node = fields.find("port");
  FailsafePort out{protocol::tcp, 0, {}};
  if (fields.text("net")) out.net = read_net(reader, *fields.find("net"), NetForm::any);
  fields.done();
  if (protocol_node == nullptr) fields.missing("protocol", "write TCP, UDP or SCTP");
  if (port_node == nullptr) fields.missing("port", "write a number from 1 to 65535");
  if (protocol_node == nullptr || port_node == nullptr) return {};
  const auto protocol = read_failsafe_protocol(reader, *protocol_node);
  const auto port = read_port_number(reader, *port_node, "port");
  if (!protocol || !port) return {};
  out.protocol = *protocol;
  out.port = *port;
  return out;
}

/// An empty list is a decision, an absent one is not.
std::optional<std::vector<FailsafePort>> read_failsafe_ports(Fields& spec, std::string_view key) {
  if (spec.find(key) == nullptr) return {};
  std::vector<FailsafePort> ports;
  for (const yaml::Node& node : spec.items(key, most_failsafe_ports)) {
    if (const auto port = read_failsafe_port(spec.reader(), node)) ports.push_back(*port);
  }
  return ports;
}

/// "cali,tap": beginnings of the names of workloads' interfaces.
std::optional<std::vector<std::string>> read_prefixes(Fields& spec) {
  const auto text = spec.text("interfacePrefix");
  if (!text) return {};
  std::vector<std::string> prefixes;
  for (std::size_t begin = 0; begin <= text->size();) {
    const std::size_t end = std::min(text->find(',', begin), text->size());
    const std::string_view prefix = text->substr(begin, end - begin);
    begin = end + 1;
    if (is_interface_name(prefix)) {
      prefixes.emplace_back(prefix);
      continue;
    }
    spec.reader().error(*spec.find("interfacePrefix"), "bad-interface",
                        fmt::format("{} cannot begin the name of an interface", in_quotes(prefix)),
                        "write for example \"cali,tap\"");
  }
  return prefixes;
}

/// The deny action of either of Felix's packet filters; where both are written they must agree.
std::optional<DenyAction> read_deny_action(Fields& spec) {
  const auto nftables = read_word(spec, "nftablesFilterDenyAction", {"Drop", "Reject"});
  const auto iptables = read_word(spec, "iptablesFilterDenyAction", {"Drop", "Reject"});
  if (nftables && iptables && *nftables != *iptables) {
    spec.reader().error(*spec.find("iptablesFilterDenyAction"), "contradiction",
                        "iptablesFilterDenyAction and nftablesFilterDenyAction differ",
                        "leave iptablesFilterDenyAction out");
  }
  const auto index = nftables ? nftables : iptables;
  if (!index) return {};
  return static_cast<DenyAction>(*index);
}

/// "100/second".
std::optional<LogRate> read_log_rate(Fields& spec) {
  const auto text = spec.text("logActionRateLimit");
  if (!text) return {};
  static constexpr std::array<std::pair<std::string_view, std::uint32_t>, 4> units{
      {{"second", 1}, {"minute", 60}, {"hour", 3600}, {"day", 86400}}};
  const std::size_t slash = std::min(text->find('/'), text->size());
  const auto unit = std::ranges::find(units, text->substr(std::min(slash + 1, text->size())),
                                      &std::pair<std::string_view, std::uint32_t>::first);
  std::uint32_t count = 0;
  const auto [stop, error] = std::from_chars(text->data(), text->data() + slash, count);
  if (unit != units.end() && error == std::errc{} && stop == text->data() + slash && count >= 1 && count <= 9999)
    return LogRate{count, unit->second};
  spec.reader().error(*spec.find("logActionRateLimit"), "bad-rate", fmt::format("{} is no rate", in_quotes(*text)),
                      "write for example \"100/second\"; the units are second, minute, hour and day, the most is 9999");
  return {};
}

std::optional<std::uint32_t> read_log_burst(Fields& spec) {
  const auto burst = spec.integer("logActionRateLimitBurst", {0, 9999});
  return burst ? std::optional(static_cast<std::uint32_t>(*burst)) : std::nullopt;
}

}  // namespace

void read_felix_configuration(Document& document) {
  if (document.metadata.name != "default") {
    document.reader.error(
        document.metadata.at, "bad-name",
        fmt::format("only the FelixConfiguration \"default\" is read, this is {}", in_quotes(document.metadata.name)),
        "write \"name: default\"");
  }
  HostSettings settings;
  settings.at = document.at;
  Fields spec(document.reader, document.fields.find("spec"), "spec of FelixConfiguration");
  settings.failsafe_inbound = read_failsafe_ports(spec, "failsafeInboundHostPorts");
  settings.failsafe_outbound = read_failsafe_ports(spec, "failsafeOutboundHostPorts");
  settings.endpoint_to_host = read_endpoint_to_host(spec);
  settings.deny_action = read_deny_action(spec);
  settings.workload_prefixes = read_prefixes(spec);
  if (const auto unchecked = spec.boolean("disableConntrackInvalidCheck")) settings.drop_invalid = !*unchecked;
  if (const auto prefix = spec.text("logPrefix")) settings.log_prefix = std::string(*prefix);
  settings.log_rate = read_log_rate(spec);
  settings.log_burst = read_log_burst(spec);
  spec.done();
  document.draft.inventory.settings = std::move(settings);
}

}  // namespace drywall::reading
