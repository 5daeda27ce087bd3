// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/parse_port.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "policy/name.h"
#include "policy/parse.h"
#include "policy/parse_net.h"
#include "policy/spelling.h"

namespace drywall::reading {
namespace {

struct ProtocolName {
  std::string_view name;
  NamedProtocol meaning;
};
constexpr std::array<ProtocolName, 6> protocols{{{"TCP", {protocol::tcp, {}}},
                                                 {"UDP", {protocol::udp, {}}},
                                                 {"ICMP", {protocol::icmp, Family::v4}},
                                                 {"ICMPv6", {protocol::icmpv6, Family::v6}},
                                                 {"SCTP", {protocol::sctp, {}}},
                                                 {"UDPLite", {protocol::udplite, {}}}}};

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

/// The protocol whose name this is but for capital letters; there can be only one.
const ProtocolName* in_other_letters(std::string_view text) {
  const auto found = std::find_if(protocols.begin(), protocols.end(),
                                  [&](const ProtocolName& known) { return lower(known.name) == lower(text); });
  return found == protocols.end() ? nullptr : &*found;
}

/// A decimal number of at most `most`; more is nothing.
std::optional<unsigned> decimal(std::string_view text, unsigned most) {
  unsigned value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size() || value > most) return {};
  return value;
}

std::optional<std::uint16_t> port_number(std::string_view text) {
  const auto value = decimal(text, 65535);
  if (!value || *value == 0) return {};
  return static_cast<std::uint16_t>(*value);
}

void report_bad_number(Reader& reader, const yaml::Node& node, std::string_view text) {
  reader.error(node, "bad-port", fmt::format("port {} does not exist", in_quotes(text)),
               "write a number from 1 to 65535");
}

/// `first:last`, both of digits.
std::optional<Port> read_range(Reader& reader, const yaml::Node& node, std::string_view first, std::string_view last) {
  const auto low = port_number(first);
  const auto high = port_number(last);
  if (!low || !high) {
    report_bad_number(reader, node, low ? last : first);
    return {};
  }
  if (*low > *high) {
    reader.error(node, "reversed-range", fmt::format("the range {}:{} ends before it begins", *low, *high),
                 fmt::format("write \"{}:{}\"", *high, *low));
    return {};
  }
  return Port{PortRange{*low, *high}, {}};
}

/// What to write instead of a text that is neither port, range nor name.
std::string help_for_port(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash != std::string_view::npos && all_digits(text.substr(0, dash)) && all_digits(text.substr(dash + 1))) {
    return fmt::format("a range is written with a colon: \"{}:{}\"", text.substr(0, dash), text.substr(dash + 1));
  }
  if (text.find(',') != std::string_view::npos) return "write each port as an element of its own: [80, 443]";
  if (all_digits(text.substr(0, text.find('/'))))
    return "write the number alone, and the protocol in the rule's \"protocol\"";
  if (const std::string name = lower(text); is_port_name(name))
    return fmt::format("names of ports are in lower case: {}", name);
  return "write a port (80), a range (\"80:443\") or a port's name (up to 15 lower-case letters, digits and '-')";
}

/// Also as a number, unlike read_transport.
std::optional<Protocol> read_protocol_with_ports(Reader& reader, const yaml::Node& node) {
  const auto named = read_protocol(reader, node);
  if (!named) return {};
  if (is_transport(named->protocol)) return named->protocol;
  reader.error(node, "protocol-without-ports", fmt::format("protocol {} has no ports", node.text),
               "write TCP, UDP or SCTP");
  return {};
}

std::optional<NamedPort> read_named_port(Reader& reader, const yaml::Node& node, PortOwner owner) {
  Fields fields(reader, &node, "a port");
  if (!fields.present()) return {};
  const yaml::Node* name_node = fields.find("name");
  const auto name = fields.text("name");
  const yaml::Node* protocol_node = fields.find("protocol");
  const yaml::Node* port_node = fields.find("port");
  std::optional<std::int64_t> host_port;
  if (owner == PortOwner::workload) {
    host_port = fields.integer("hostPort", {0, 65535});
    if (fields.text("hostIP")) (void)read_net(reader, *fields.find("hostIP"), NetForm::any);
  }
  fields.done();
  if (!name && host_port.value_or(0) == 0) fields.missing("name", "name the port as rules call it: \"name: http\"");
  if (protocol_node == nullptr) fields.missing("protocol", "write TCP, UDP or SCTP");
  if (port_node == nullptr) fields.missing("port", "write a number from 1 to 65535");
  if (protocol_node == nullptr || port_node == nullptr) return {};
  const auto transport = read_protocol_with_ports(reader, *protocol_node);
  const auto number = read_port_number(reader, *port_node, "port");
  if (!name) return {};
  const auto checked = read_port_name(reader, *name_node, *name);
  if (!checked || !transport || !number) return {};
  return NamedPort{*checked, *transport, *number};
}

}  // namespace

std::optional<NamedProtocol> read_protocol(Reader& reader, const yaml::Node& node) {
  constexpr std::string_view expected = "TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite or a number from 1 to 255";
  if (node.type == yaml::Type::scalar) {
    for (const ProtocolName& known : protocols) {
      if (known.name == node.text) return known.meaning;
    }
    if (all_digits(node.text) && !is_ambiguous(node)) {
      const auto number = decimal(node.text, 255);
      if (number && *number > 0) return NamedProtocol{{static_cast<std::uint8_t>(*number)}, {}};
    }
  }
  if (const ProtocolName* meant = in_other_letters(node.text)) {
    reader.error(node, protocol_case_code, fmt::format("protocol must be {}, found {}", expected, found(node)),
                 fmt::format("write {}", meant->name));
    return meant->meaning;
  }
  std::array<std::string_view, protocols.size()> names;
  std::transform(protocols.begin(), protocols.end(), names.begin(), [](const ProtocolName& p) { return p.name; });
  reader.error(node, "bad-protocol", fmt::format("protocol must be {}, found {}", expected, found(node)),
               nearest(node.text, names).empty() ? fmt::format("write {}", expected) : did_you_mean(node.text, names));
  return {};
}

std::optional<Protocol> read_transport(Reader& reader, const yaml::Node& node, std::string_view what) {
  constexpr std::array transports{protocol::tcp, protocol::udp, protocol::sctp};
  const auto index = reader.word(node, what, "bad-protocol", {"TCP", "UDP", "SCTP"});
  if (!index) return {};
  return transports[*index];
}

bool is_transport(Protocol protocol) {
  return protocol == protocol::tcp || protocol == protocol::udp || protocol == protocol::sctp;
}

std::optional<Port> read_port(Reader& reader, const yaml::Node& node) {
  if (node.type != yaml::Type::scalar) {
    const bool mapping = node.type == yaml::Type::mapping;
    reader.error(node, "bad-port", fmt::format("a port must be a number, a range or a name, found {}", found(node)),
                 mapping ? "write the number alone: 80" : "write 80, \"80:443\" or a name");
    return {};
  }
  if (is_ambiguous(node)) {
    reader.report_ambiguous(node);
    return {};
  }
  const std::string_view text = node.text;
  if (all_digits(text)) {
    if (const auto number = port_number(text)) return Port{PortRange{*number, *number}, {}};
    report_bad_number(reader, node, text);
    return {};
  }
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos && all_digits(text.substr(0, colon)) && all_digits(text.substr(colon + 1))) {
    return read_range(reader, node, text.substr(0, colon), text.substr(colon + 1));
  }
  if (meaning_of(node) != Meaning::text) {  // true, 0x50, 1e3: quoted they are names
    reader.error(node, "bad-port", fmt::format("a port must be a number, a range or a name, found {}", found(node)),
                 help_for_port(text));
    return {};
  }
  auto name = read_port_name(reader, node, text);
  if (!name) return {};
  return Port{{}, *std::move(name)};
}

void append(PortList& list, Port port) {
  if (port.range) {
    list.ranges.push_back(*port.range);
  } else {
    list.names.push_back(std::move(port.name));
  }
}

std::optional<std::uint16_t> read_port_number(Reader& reader, const yaml::Node& node, std::string_view what) {
  const auto number = reader.integer(node, what, {1, 65535});
  if (!number) return {};
  return static_cast<std::uint16_t>(*number);
}

std::optional<std::string> read_port_name(Reader& reader, const yaml::Node& node, std::string_view text) {
  if (is_port_name(text) || (all_digits(text) && text.size() <= 15)) return std::string(text);
  reader.error(node, "bad-port", fmt::format("{} is neither a port, a range nor a port's name", in_quotes(text)),
               help_for_port(text));
  return {};
}

std::vector<NamedPort> read_named_ports(Fields& endpoint, PortOwner owner) {
  constexpr std::size_t most = 4096;
  std::vector<NamedPort> ports;
  for (const yaml::Node& node : endpoint.items("ports", most)) {
    if (auto port = read_named_port(endpoint.reader(), node, owner)) ports.push_back(*std::move(port));
  }
  return ports;
}

}  // namespace drywall::reading
