# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets by hand, for what no ordinary socket sends."""
import ipaddress
import socket
import struct


def internet_checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def packed(address):
    return ipaddress.ip_address(address).packed


def ip(source, destination, protocol, payload, hops=64, extension=b""):
    """An IPv4 or IPv6 packet. `extension`: an IPv6 destination options header in front of the payload, without its
    first byte."""
    source, destination = packed(source), packed(destination)
    if len(source) == 16:
        if extension:
            payload, protocol = bytes([protocol]) + extension + payload, socket.IPPROTO_DSTOPTS
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, hops) + source + destination + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, hops, protocol, 0) + source + destination
    return header[:10] + struct.pack("!H", internet_checksum(header)) + header[12:] + payload


def with_checksum(source, destination, protocol, segment, offset):
    """The segment with the checksum that covers the addresses too, at that offset."""
    source, destination = packed(source), packed(destination)
    pseudo = source + destination + struct.pack("!II", len(segment), protocol)
    return segment[:offset] + struct.pack("!H", internet_checksum(pseudo + segment)) + segment[offset + 2 :]


def udp(source, destination, source_port, port, payload=b"hello", **header):
    segment = struct.pack("!HHHH", source_port, port, 8 + len(payload), 0) + payload
    segment = with_checksum(source, destination, socket.IPPROTO_UDP, segment, 6)
    return ip(source, destination, socket.IPPROTO_UDP, segment, **header)


def tcp_syn(source, destination, source_port, port, sequence=1):
    segment = struct.pack("!HHIIBBHHH", source_port, port, sequence, 0, 0x50, 2, 65535, 0, 0)
    segment = with_checksum(source, destination, socket.IPPROTO_TCP, segment, 16)
    return ip(source, destination, socket.IPPROTO_TCP, segment)


def echo_request(source, destination, identifier=1):
    if len(packed(source)) == 16:
        segment = struct.pack("!BBHHH", 128, 0, 0, identifier, 1)
        segment = with_checksum(source, destination, socket.IPPROTO_ICMPV6, segment, 2)
        return ip(source, destination, socket.IPPROTO_ICMPV6, segment)
    segment = struct.pack("!BBHHH", 8, 0, 0, identifier, 1)
    segment = struct.pack("!BBHHH", 8, 0, internet_checksum(segment), identifier, 1)
    return ip(source, destination, socket.IPPROTO_ICMP, segment)


def icmpv6(source, destination, kind, body, hops=255):
    segment = struct.pack("!BBH", kind, 0, 0) + body
    segment = with_checksum(source, destination, socket.IPPROTO_ICMPV6, segment, 2)
    return ip(source, destination, socket.IPPROTO_ICMPV6, segment, hops=hops)


def router_advertisement(source, destination, prefix):
    """Of a default router, with a prefix to make addresses from."""
    network = ipaddress.ip_network(prefix)
    on_link_autonomous, lifetime = 0xC0, 1800
    option = struct.pack("!BBBBIII", 3, 4, network.prefixlen, on_link_autonomous, lifetime, lifetime, 0)
    body = struct.pack("!BBHII", 64, 0, lifetime, 0, 0) + option + network.network_address.packed
    return icmpv6(source, destination, 134, body)
