// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/bytes.h"

#include <cstring>

namespace drywall {

Bytes bytes_of(const Address& address) {
  Bytes bytes;
  for (const std::byte byte : to_bytes(address)) bytes.push_back(static_cast<std::uint8_t>(byte));
  return bytes;
}

Bytes bytes_of(std::uint16_t port) {
  return {static_cast<std::uint8_t>(port >> 8U), static_cast<std::uint8_t>(port & 0xffU)};
}

Bytes netmask(Family family, unsigned length) {
  Bytes mask(bits_of(family) / 8, 0);
  for (unsigned bit = 0; bit < length; ++bit)
    mask[bit / 8] = static_cast<std::uint8_t>(mask[bit / 8] | 0x80U >> bit % 8);
  return mask;
}

Bytes interface_bytes(const std::string& name) {
  Bytes bytes(name.begin(), name.end());
  bytes.resize(16, 0);
  return bytes;
}

Bytes index_bytes(std::uint32_t index) {
  Bytes bytes(sizeof index);
  std::memcpy(bytes.data(), &index, sizeof index);
  return bytes;
}

Bytes protocol_and_port(std::uint8_t protocol, std::uint16_t port) {
  const Bytes number = bytes_of(port);
  return {protocol, 0, 0, 0, number[0], number[1], 0, 0};
}

}  // namespace drywall
