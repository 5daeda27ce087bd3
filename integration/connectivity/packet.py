# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets made by hand: what no socket of this kernel sends, or what none would send from this address."""
import socket
import struct

NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132}


def number_of(protocol):
    return NUMBERS.get(protocol, protocol)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def internet_checksum(data):
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def with_pseudo_header(source, destination, protocol, data):
    addresses = socket.inet_pton(family_of(source), source) + socket.inet_pton(family_of(source), destination)
    return addresses + struct.pack("!II", len(data), protocol) + data


def ip(source, destination, protocol, payload):
    """A whole packet, header and all."""
    addresses = socket.inet_pton(family_of(source), source) + socket.inet_pton(family_of(source), destination)
    if family_of(source) == socket.AF_INET6:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + addresses + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0) + addresses
    return header[:10] + struct.pack("!H", internet_checksum(header)) + header[12:] + payload


def tcp_syn(source, destination, source_port, port):
    segment = struct.pack("!HHIIBBHHH", source_port, port, 1000, 0, 5 << 4, 2, 65535, 0, 0)
    checksum = internet_checksum(with_pseudo_header(source, destination, 6, segment))
    return segment[:16] + struct.pack("!H", checksum) + segment[18:]


def udp(source, destination, source_port, port, payload):
    datagram = struct.pack("!HHHH", source_port, port, 8 + len(payload), 0) + payload
    checksum = internet_checksum(with_pseudo_header(source, destination, 17, datagram)) or 0xFFFF
    return datagram[:6] + struct.pack("!H", checksum) + datagram[8:]


def echo_request(family, identifier, payload):
    """To be sent through a raw ICMP socket: the kernel sums ICMPv6 itself, ICMP it does not."""
    if family == socket.AF_INET6:
        return struct.pack("!BBHHH", 128, 0, 0, identifier, 1) + payload
    message = struct.pack("!BBHHH", 8, 0, 0, identifier, 1) + payload
    return message[:2] + struct.pack("!H", internet_checksum(message)) + message[4:]


def without_ip_header(family, data):
    """What a raw socket received; only with IPv4 does the header come along."""
    return data if family == socket.AF_INET6 else data[(data[0] & 15) * 4:]


def split_ip(data):
    """(source, destination, protocol, payload) of a packet without options and extension headers, or None."""
    if len(data) >= 40 and data[0] >> 4 == 6:
        return (*(socket.inet_ntop(socket.AF_INET6, data[at:at + 16]) for at in (8, 24)), data[6], data[40:])
    if len(data) >= 20 and data[0] >> 4 == 4:
        return (*(socket.inet_ntop(socket.AF_INET, data[at:at + 4]) for at in (12, 16)), data[9],
                data[(data[0] & 15) * 4:])
    return None
