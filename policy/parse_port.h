// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/model.h"
#include "policy/reader.h"

namespace drywall::reading {

/// A protocol as a rule names it. Only the names ICMP and ICMPv6 imply a family, their numbers do not.
struct NamedProtocol {
  Protocol protocol;
  std::optional<Family> family;
};

/// TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite or a number from 1 to 255.
[[nodiscard]] std::optional<NamedProtocol> read_protocol(Reader& reader, const yaml::Node& node);
/// TCP, UDP or SCTP: the protocols whose ports Calico knows.
[[nodiscard]] std::optional<Protocol> read_transport(Reader& reader, const yaml::Node& node, std::string_view what);
[[nodiscard]] bool is_transport(Protocol protocol);

/// One port of a rule: 80, "80", "80:443" or a name.
struct Port {
  std::optional<PortRange> range;
  std::string name;  // if there is no range
};
[[nodiscard]] std::optional<Port> read_port(Reader& reader, const yaml::Node& node);
void append(PortList& list, Port port);

/// A number from 1 to 65535.
[[nodiscard]] std::optional<std::uint16_t> read_port_number(Reader& reader, const yaml::Node& node,
                                                            std::string_view what);
[[nodiscard]] std::optional<std::string> read_port_name(Reader& reader, const yaml::Node& node, std::string_view text);

/// The `ports` of an endpoint. A workload's may have hostPort and hostIP, and then no name; those are left out.
enum class PortOwner { host, workload };
[[nodiscard]] std::vector<NamedPort> read_named_ports(Fields& endpoint, PortOwner owner);

}  // namespace drywall::reading
