// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/field.h"

#include <linux/netfilter/nf_tables.h>

namespace drywall {

// Datatype numbers: enum datatypes in nftables' include/datatype.h; they only decide how a listing reads.
FieldLayout field_layout(Field field, Family family) {
  const bool v4 = family == Family::v4;
  switch (field) {
    case Field::source_address:
      return v4 ? FieldLayout{FieldBase::network_header, 12, 4, "ip saddr", "ipv4_addr", 7}
                : FieldLayout{FieldBase::network_header, 8, 16, "ip6 saddr", "ipv6_addr", 8};
    case Field::destination_address:
      return v4 ? FieldLayout{FieldBase::network_header, 16, 4, "ip daddr", "ipv4_addr", 7}
                : FieldLayout{FieldBase::network_header, 24, 16, "ip6 daddr", "ipv6_addr", 8};
    case Field::source_port:
      return {FieldBase::transport_header, 0, 2, "th sport", "inet_service", 13};
    case Field::destination_port:
      return {FieldBase::transport_header, 2, 2, "th dport", "inet_service", 13};
    case Field::icmp_type:
      return {FieldBase::transport_header,
              0,
              1,
              v4 ? "icmp type" : "icmpv6 type",
              v4 ? "icmp_type" : "icmpv6_type",
              v4 ? 14U : 29U};
    case Field::icmp_code:
      return {FieldBase::transport_header,
              1,
              1,
              v4 ? "icmp code" : "icmpv6 code",
              v4 ? "icmp_code" : "icmpv6_code",
              v4 ? 32U : 33U};
    case Field::icmp_type_and_code:
      return {FieldBase::transport_header, 0, 2, "@th,0,16", "integer", 4};
    case Field::l4_protocol:
      return {FieldBase::meta, NFT_META_L4PROTO, 1, "meta l4proto", "inet_proto", 12};
    case Field::in_interface:
      return {FieldBase::meta, NFT_META_IIFNAME, 16, "iifname", "ifname", 41};
    case Field::out_interface:
      return {FieldBase::meta, NFT_META_OIFNAME, 16, "oifname", "ifname", 41};
    case Field::in_index:
      return {FieldBase::meta, NFT_META_IIF, 4, "iif", "iface_index", 20};
    case Field::out_index:
      return {FieldBase::meta, NFT_META_OIF, 4, "oif", "iface_index", 20};
    case Field::original_destination_address:
      return v4 ? FieldLayout{FieldBase::original_tuple, NFT_CT_DST_IP, 4, "ct original ip daddr", "ipv4_addr", 7}
                : FieldLayout{FieldBase::original_tuple, NFT_CT_DST_IP6, 16, "ct original ip6 daddr", "ipv6_addr", 8};
    case Field::original_destination_port:
      return {FieldBase::original_tuple, NFT_CT_PROTO_DST, 2, "ct original proto-dst", "inet_service", 13};
  }
  return {FieldBase::meta, 0, 0, "", "", 0};
}

}  // namespace drywall
