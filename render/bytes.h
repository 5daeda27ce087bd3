// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "policy/net.h"
#include "render/ruleset.h"

namespace drywall {

/// Values as the packet carries them: network byte order, whole field.
[[nodiscard]] Bytes bytes_of(const Address& address);
[[nodiscard]] Bytes bytes_of(std::uint16_t port);
/// The family's netmask of so many leading ones.
[[nodiscard]] Bytes netmask(Family family, unsigned length);
/// An interface name as the kernel compares it: padded with zeros to 16 bytes.
[[nodiscard]] Bytes interface_bytes(const std::string& name);
/// The key of a lookup by protocol and port, each padded to 4 bytes.
[[nodiscard]] Bytes protocol_and_port(std::uint8_t protocol, std::uint16_t port);
/// An interface index, in host byte order as the kernel keeps it.
[[nodiscard]] Bytes index_bytes(std::uint32_t index);

}  // namespace drywall
