// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>

#include "render/ruleset.h"

namespace drywall {

enum class FieldBase : std::uint8_t { network_header, transport_header, meta, original_tuple };

/// Where the kernel finds a field. Sources: RFC 791, RFC 8200; linux/netfilter/nf_tables.h (enum nft_meta_keys,
/// enum nft_ct_keys).
struct FieldLayout {
  FieldBase base;
  std::uint32_t offset;   // in bytes from the header; of meta and tuple: the nft_meta_keys or nft_ct_keys value
  std::uint32_t size;     // in bytes
  const char* text;       // as nft writes it
  const char* type;       // its datatype's name in a set declaration
  std::uint32_t type_id;  // libnftables' number of that datatype (enum datatypes), for listings
};

[[nodiscard]] FieldLayout field_layout(Field field, Family family);

/// Bytes that a field takes in a concatenation: padded to a multiple of 4.
[[nodiscard]] constexpr std::uint32_t padded(std::uint32_t size) {
  return (size + 3U) & ~3U;
}

}  // namespace drywall
