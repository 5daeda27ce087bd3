// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/conntrack.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#include <utility>

#include "machine/netlink_message.h"

namespace drywall {
namespace {

constexpr std::uint16_t conntrack_type(int message) {
  return static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | message);
}

std::uint16_t big16(Attribute payload) {
  std::uint16_t number = 0;
  if (payload.size() == sizeof number) std::memcpy(&number, payload.data(), sizeof number);
  return be16toh(number);
}

std::uint32_t big32(Attribute payload) {
  std::uint32_t number = 0;
  if (payload.size() == sizeof number) std::memcpy(&number, payload.data(), sizeof number);
  return be32toh(number);
}

std::uint8_t number8(Attribute payload) {
  return payload.empty() ? std::uint8_t{0} : std::to_integer<std::uint8_t>(payload[0]);
}

// Reading

/// A tuple as far as it was read.
struct TupleParts {
  std::optional<Address> source;
  std::optional<Address> destination;
  std::optional<Protocol> protocol;
  ConntrackTuple rest;
};

void take_address(int type, Attribute value, TupleParts& parts) {
  const std::size_t size = type == CTA_IP_V4_SRC || type == CTA_IP_V4_DST ? 4 : 16;
  if (value.size() != size) return;
  if (type == CTA_IP_V4_SRC || type == CTA_IP_V6_SRC) parts.source = address_from_bytes(value);
  if (type == CTA_IP_V4_DST || type == CTA_IP_V6_DST) parts.destination = address_from_bytes(value);
}

void take_protocol(int type, Attribute value, TupleParts& parts) {
  switch (type) {
    case CTA_PROTO_NUM:
      if (value.size() == 1) parts.protocol = Protocol{number8(value)};
      break;
    case CTA_PROTO_SRC_PORT:
      parts.rest.source_port = big16(value);
      break;
    case CTA_PROTO_DST_PORT:
      parts.rest.destination_port = big16(value);
      break;
    case CTA_PROTO_ICMP_ID:
    case CTA_PROTO_ICMPV6_ID:
      parts.rest.icmp_id = big16(value);
      break;
    case CTA_PROTO_ICMP_TYPE:
    case CTA_PROTO_ICMPV6_TYPE:
      parts.rest.icmp_type = number8(value);
      break;
    case CTA_PROTO_ICMP_CODE:
    case CTA_PROTO_ICMPV6_CODE:
      parts.rest.icmp_code = number8(value);
      break;
    default:
      break;
  }
}

/// What of a message may still prove wrong when all of it has been read.
struct Reading {
  ConntrackEntry entry;
  std::optional<ConntrackTuple> original;
  std::optional<ConntrackTuple> reply;
  bool is_whole = true;  // all lengths add up
};

std::optional<ConntrackTuple> read_tuple(Attribute bytes, bool& is_whole) {
  TupleParts parts;
  is_whole &= for_each_attribute(bytes, [&](int type, Attribute value) {
    if (type == CTA_TUPLE_IP) {
      is_whole &= for_each_attribute(value, [&](int inner, Attribute part) { take_address(inner, part, parts); });
    }
    if (type == CTA_TUPLE_PROTO) {
      is_whole &= for_each_attribute(value, [&](int inner, Attribute part) { take_protocol(inner, part, parts); });
    }
  });
  if (!parts.source || !parts.destination || !parts.protocol) return std::nullopt;
  if (parts.source->family != parts.destination->family) return std::nullopt;
  ConntrackTuple tuple = parts.rest;
  tuple.source = *parts.source;
  tuple.destination = *parts.destination;
  tuple.protocol = *parts.protocol;
  return tuple;
}

std::optional<TcpState> read_tcp_state(Attribute bytes, bool& is_whole) {
  std::optional<TcpState> state;
  is_whole &= for_each_attribute(bytes, [&](int protocol, Attribute info) {
    if (protocol != CTA_PROTOINFO_TCP) return;
    is_whole &= for_each_attribute(info, [&](int type, Attribute value) {
      if (type != CTA_PROTOINFO_TCP_STATE || value.size() != 1) return;
      if (number8(value) <= static_cast<std::uint8_t>(TcpState::syn_sent_by_both)) state = TcpState{number8(value)};
    });
  });
  return state;
}

ConntrackCount read_count(Attribute bytes, bool& is_whole) {
  ConntrackCount count;
  is_whole &= for_each_attribute(bytes, [&](int type, Attribute value) {
    if (type == CTA_COUNTERS_PACKETS) count.packets = number_of(value);
    if (type == CTA_COUNTERS_BYTES) count.bytes = number_of(value);
  });
  return count;
}

void take(int type, Attribute value, Reading& reading) {
  ConntrackEntry& entry = reading.entry;
  switch (type) {
    case CTA_TUPLE_ORIG:
      reading.original = read_tuple(value, reading.is_whole);
      break;
    case CTA_TUPLE_REPLY:
      reading.reply = read_tuple(value, reading.is_whole);
      break;
    case CTA_STATUS:
      entry.status = big32(value);
      break;
    case CTA_PROTOINFO:
      entry.tcp_state = read_tcp_state(value, reading.is_whole);
      break;
    case CTA_TIMEOUT:
      entry.timeout = big32(value);
      break;
    case CTA_MARK:
      entry.mark = big32(value);
      break;
    case CTA_COUNTERS_ORIG:
      entry.original_count = read_count(value, reading.is_whole);
      break;
    case CTA_COUNTERS_REPLY:
      entry.reply_count = read_count(value, reading.is_whole);
      break;
    case CTA_ID:
      entry.id = big32(value);
      break;
    case CTA_ZONE:
      entry.zone = big16(value);
      break;
    default:  // the kernel's, and of no use to us
      break;
  }
}

// Writing

NetlinkRequest request_for(int message, int flags, std::uint8_t family) {
  NetlinkRequest request(conntrack_type(message), static_cast<std::uint16_t>(flags));
  const nfgenmsg body{family, NFNETLINK_V0, 0};
  request.put_header(&body, sizeof body);
  return request;
}

void put_ports(NetlinkRequest& request, const ConntrackTuple& tuple) {
  if (tuple.protocol == protocol::icmp || tuple.protocol == protocol::icmpv6) {
    const bool v4 = tuple.protocol == protocol::icmp;
    request.put_big16(v4 ? CTA_PROTO_ICMP_ID : CTA_PROTO_ICMPV6_ID, tuple.icmp_id);
    request.put8(v4 ? CTA_PROTO_ICMP_TYPE : CTA_PROTO_ICMPV6_TYPE, tuple.icmp_type);
    request.put8(v4 ? CTA_PROTO_ICMP_CODE : CTA_PROTO_ICMPV6_CODE, tuple.icmp_code);
    return;
  }
  request.put_big16(CTA_PROTO_SRC_PORT, tuple.source_port);
  request.put_big16(CTA_PROTO_DST_PORT, tuple.destination_port);
}

void put_tuple(NetlinkRequest& request, std::uint16_t attribute, const ConntrackTuple& tuple) {
  const bool v4 = tuple.source.family == Family::v4;
  request.nest(attribute, [&] {
    request.nest(CTA_TUPLE_IP, [&] {
      request.put(v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, to_bytes(tuple.source));
      request.put(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, to_bytes(tuple.destination));
    });
    request.nest(CTA_TUPLE_PROTO, [&] {
      request.put8(CTA_PROTO_NUM, tuple.protocol.number);
      put_ports(request, tuple);
    });
  });
}

/// The kernel does the same to a connection that it takes up in its midst: the window's scale was told with the SYN.
void put_tcp(NetlinkRequest& request, TcpState state) {
  constexpr std::uint8_t unknown_window = IP_CT_TCP_FLAG_BE_LIBERAL | IP_CT_TCP_FLAG_SACK_PERM;
  const nf_ct_tcp_flags flags{unknown_window, unknown_window};
  request.nest(CTA_PROTOINFO, [&] {
    request.nest(CTA_PROTOINFO_TCP, [&] {
      request.put8(CTA_PROTOINFO_TCP_STATE, static_cast<std::uint8_t>(state));
      request.put(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, std::as_bytes(std::span(&flags, 1)));
      request.put(CTA_PROTOINFO_TCP_FLAGS_REPLY, std::as_bytes(std::span(&flags, 1)));
    });
  });
}

std::uint8_t family_of(const ConntrackEntry& entry) {
  return entry.original.source.family == Family::v4 ? AF_INET : AF_INET6;
}

NetlinkRequest creation_of(const ConntrackEntry& entry) {
  NetlinkRequest request = request_for(IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, family_of(entry));
  put_tuple(request, CTA_TUPLE_ORIG, entry.original);
  put_tuple(request, CTA_TUPLE_REPLY, entry.reply);
  request.put_big32(CTA_STATUS, entry.status | IPS_CONFIRMED);  // without it the kernel answers EBUSY
  request.put_big32(CTA_TIMEOUT, entry.timeout);
  if (entry.tcp_state) put_tcp(request, *entry.tcp_state);
  if (entry.mark != 0) request.put_big32(CTA_MARK, entry.mark);
  if (entry.zone != 0) request.put_big16(CTA_ZONE, entry.zone);
  return request;
}

NetlinkRequest removal_of(const ConntrackEntry& entry) {
  NetlinkRequest request = request_for(IPCTNL_MSG_CT_DELETE, NLM_F_ACK, family_of(entry));
  put_tuple(request, CTA_TUPLE_ORIG, entry.original);
  if (entry.id != 0) request.put_big32(CTA_ID, entry.id);
  if (entry.zone != 0) request.put_big16(CTA_ZONE, entry.zone);
  return request;
}

Result<std::vector<int>> ask_for_each(NetlinkSocket& socket, std::span<const ConntrackEntry> entries,
                                      NetlinkRequest (*request_of)(const ConntrackEntry&)) {
  std::vector<int> answers;
  constexpr std::size_t at_once = 1024;
  for (std::size_t i = 0; i < entries.size(); i += at_once) {
    std::vector<NetlinkRequest> requests;
    for (const ConntrackEntry& entry : entries.subspan(i, std::min(at_once, entries.size() - i))) {
      requests.push_back(request_of(entry));
    }
    Result<std::vector<int>> some = socket.ask(requests);
    if (!some) return some;
    answers.insert(answers.end(), some->begin(), some->end());
  }
  return answers;
}

}  // namespace

tl::expected<ConntrackEntry, ConntrackError> decode_conntrack(std::span<const std::byte> bytes) {
  Message message;
  if (bytes.size() < sizeof message.header) return tl::unexpected(ConntrackError::truncated);
  std::memcpy(&message.header, bytes.data(), sizeof message.header);
  const std::size_t size = message.header.nlmsg_len;
  const auto type = message.header.nlmsg_type;
  if (type != conntrack_type(IPCTNL_MSG_CT_NEW) && type != conntrack_type(IPCTNL_MSG_CT_DELETE)) {
    return tl::unexpected(ConntrackError::not_conntrack);
  }
  if (size < sizeof message.header + sizeof(nfgenmsg) || size > bytes.size()) {
    return tl::unexpected(ConntrackError::truncated);
  }
  message.payload = bytes.subspan(sizeof message.header, size - sizeof message.header);

  Reading reading;
  reading.is_whole =
      for_each_attribute(message.attributes(), [&](int kind, Attribute value) { take(kind, value, reading); }) &&
      reading.is_whole;
  if (!reading.is_whole) return tl::unexpected(ConntrackError::truncated);
  if (!reading.original || !reading.reply || reading.original->protocol != reading.reply->protocol ||
      reading.original->source.family != reading.reply->source.family) {
    return tl::unexpected(ConntrackError::bad_tuple);
  }
  reading.entry.original = *reading.original;
  reading.entry.reply = *reading.reply;
  return reading.entry;
}

Result<ConntrackDump> dump_conntrack(const ConntrackLimits& limits) {
  Result<NetlinkSocket> socket = NetlinkSocket::open(NETLINK_NETFILTER, "conntrack");
  if (!socket) return tl::unexpected(socket.error());
  ConntrackDump dump;
  const Result<bool> all =
      socket->dump(request_for(IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC), [&](std::span<const std::byte> message) {
        auto entry = decode_conntrack(message);
        if (!entry) {
          ++dump.undecodable;
        } else if (dump.entries.size() == limits.entries) {
          return false;
        } else {
          dump.entries.push_back(std::move(*entry));
        }
        return true;
      });
  if (!all) return tl::unexpected(all.error());
  dump.is_whole = *all;
  return dump;
}

Result<ConntrackSocket> ConntrackSocket::open() {
  Result<NetlinkSocket> socket = NetlinkSocket::open(NETLINK_NETFILTER, "conntrack");
  if (!socket) return tl::unexpected(socket.error());
  return ConntrackSocket(std::move(*socket));
}

Result<std::vector<int>> ConntrackSocket::create(std::span<const ConntrackEntry> entries) {
  return ask_for_each(socket_, entries, creation_of);
}

Result<std::vector<int>> ConntrackSocket::remove(std::span<const ConntrackEntry> entries) {
  return ask_for_each(socket_, entries, removal_of);
}

}  // namespace drywall
