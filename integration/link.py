#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What hosts on one link say to each other besides traffic. Every verb ends by itself within its SECONDS.

    link.py ping ADDRESS SECONDS                          exit 0 answered, 1 not
    link.py router INTERFACE PREFIX SECONDS READY_FILE    answers the first router solicitation; exit 0, 1 none came
    link.py advertise INTERFACE PREFIX                    one router advertisement unasked, with prefix
    link.py join INTERFACE GROUP SECONDS READY_FILE       is a member of a multicast group of either family
    link.py hear INTERFACE GROUP SECONDS READY_FILE       waits for an IGMPv3 or MLDv2 report of it; exit 0, 1 none
    link.py query INTERFACE GROUP SECONDS                 asks for all groups, then as `hear`
    link.py echo_to_self INTERFACE TO PORT SECONDS        sends to a group or a broadcast address and waits for
                                                          the looped back copy; exit 0, 1
    link.py pretend INTERFACE SOURCE GROUP PORT           three IPv6 datagrams with a source that is not the sender's
    link.py listen PORT SECONDS READY_FILE                waits for an IPv6 datagram to any address; exit 0, 1 none came
"""
import ipaddress
import os
import pathlib
import select
import socket
import struct
import sys
import time

ALL_NODES, ALL_ROUTERS = "ff02::1", "ff02::2"
ALL_HOSTS = "224.0.0.1"
ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT, MLD_QUERY, MLD2_REPORT = 133, 134, 130, 143
IGMP_QUERY, IGMP3_REPORT = 0x11, 0x22
ETHERNET_IPV4, ETHERNET_IPV6 = 0x0800, 0x86DD
ROUTER_ALERT_HEADER = bytes([0, 0, 5, 2, 0, 0, 1, 0])  # IPv6 hop-by-hop: router alert, MLD; then padding


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def received(source, seconds):
    """Each message that arrives until then, with its sender."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([source], [], [], left)[0]:
            yield source.recvfrom(65535)


def internet_checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def ping(address, seconds):
    seconds, identifier = float(seconds), os.getpid() & 0xFFFF
    if family_of(address) == socket.AF_INET6:
        link = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        request, reply, header = 128, 129, 0
    else:
        link = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        request, reply, header = 8, 0, 20
    message = struct.pack("!BBHHH", request, 0, 0, identifier, 1)
    if header:  # of ICMPv6 the kernel computes it
        message = struct.pack("!BBHHH", request, 0, internet_checksum(message), identifier, 1)
    try:
        link.sendto(message, (address, 0))
    except PermissionError:
        return 1  # what a rule at output drops
    for data, _ in received(link, seconds):
        if data[header] == reply and struct.unpack_from("!H", data, header + 4)[0] == identifier:
            return 0
    return 1


def icmpv6_socket(interface):
    link = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(interface))
    link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    return link


def router_advertisement(prefix):
    network = ipaddress.ip_network(prefix)
    on_link_autonomous, lifetime = 0xC0, 1800
    head = struct.pack("!BBHBBHII", ROUTER_ADVERTISEMENT, 0, 0, 64, 0, lifetime, 0, 0)
    option = struct.pack("!BBBBIII", 3, 4, network.prefixlen, on_link_autonomous, lifetime, lifetime, 0)
    return head + option + network.network_address.packed


def send_advertisement(link, prefix):
    link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    link.sendto(router_advertisement(prefix), (ALL_NODES, 0))


def advertise(interface, prefix):
    send_advertisement(icmpv6_socket(interface), prefix)
    return 0


def join_group(link, interface, group):
    index = socket.if_nametoindex(interface)
    if family_of(group) == socket.AF_INET6:
        link.setsockopt(
            socket.IPPROTO_IPV6,
            socket.IPV6_JOIN_GROUP,
            socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", index),
        )
    else:
        link.setsockopt(
            socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + struct.pack("@4si", b"\0" * 4, index)
        )


def router(interface, prefix, seconds, ready_file):
    link = icmpv6_socket(interface)
    join_group(link, interface, ALL_ROUTERS)
    pathlib.Path(ready_file).touch()
    for data, _ in received(link, float(seconds)):
        if data[0] == ROUTER_SOLICITATION:
            send_advertisement(link, prefix)
            return 0
    return 1


def join(interface, group, seconds, ready_file):
    link = socket.socket(family_of(group), socket.SOCK_DGRAM)
    join_group(link, interface, group)
    pathlib.Path(ready_file).touch()
    time.sleep(float(seconds))
    return 0


def capture(interface, group):
    ethernet_type = ETHERNET_IPV6 if family_of(group) == socket.AF_INET6 else ETHERNET_IPV4
    link = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ethernet_type))
    link.bind((interface, ethernet_type))
    # A packet socket sees no multicast that the interface filters out; veth filters none, other drivers may.
    packet_mreq = struct.pack("@iHH8s", socket.if_nametoindex(interface), 1, 0, b"")  # PACKET_MR_PROMISC
    link.setsockopt(263, 1, packet_mreq)  # SOL_PACKET, PACKET_ADD_MEMBERSHIP
    return link


def reported_groups(packet):
    """The groups that an IGMPv3 or MLDv2 report names; of any other packet none."""
    if packet[0] >> 4 == 4:
        report = packet[(packet[0] & 15) * 4 :]
        address_size = 4
        if packet[9] != socket.IPPROTO_IGMP or report[0] != IGMP3_REPORT:
            return
    else:
        report = packet[48:]  # behind the fixed header and the router alert
        address_size = 16
        if packet[6] != 0 or packet[40] != socket.IPPROTO_ICMPV6 or report[0] != MLD2_REPORT:
            return
    offset = 8
    for _ in range(struct.unpack_from("!H", report, 6)[0]):
        auxiliary_words, sources = struct.unpack_from("!BH", report, offset + 1)
        yield str(ipaddress.ip_address(report[offset + 4 : offset + 4 + address_size]))
        offset += 4 + address_size * (1 + sources) + 4 * auxiliary_words


def hear_report(link, group, seconds):
    for packet, sender in received(link, float(seconds)):
        if sender[2] != 4 and group in reported_groups(packet):  # 4: PACKET_OUTGOING
            return 0
    return 1


def hear(interface, group, seconds, ready_file):
    link = capture(interface, group)
    pathlib.Path(ready_file).touch()
    return hear_report(link, group, seconds)


def send_query(interface, group):
    if family_of(group) == socket.AF_INET6:
        link = icmpv6_socket(interface)
        link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)
        link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, ROUTER_ALERT_HEADER)
        link.sendto(struct.pack("!BBHHH16sBBH", MLD_QUERY, 0, 0, 1, 0, b"", 2, 125, 0), (ALL_NODES, 0))
        return
    link = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    query = struct.pack("!BBH4sBBH", IGMP_QUERY, 1, 0, b"", 2, 125, 0)
    link.sendto(query[:2] + struct.pack("!H", internet_checksum(query)) + query[4:], (ALL_HOSTS, 0))


def query(interface, group, seconds):
    link = capture(interface, group)
    send_query(interface, group)
    return hear_report(link, group, seconds)


def is_group(address):
    return ipaddress.ip_address(address).is_multicast


def echo_to_self(interface, to, port, seconds):
    family = family_of(to)
    link = socket.socket(family, socket.SOCK_DGRAM)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    link.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    link.bind(("", int(port)))
    if is_group(to):
        join_group(link, interface, to)
    if family == socket.AF_INET6:
        link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(interface))
    link.sendto(b"to myself", (to, int(port)))
    return 0 if any(data == b"to myself" for data, _ in received(link, float(seconds))) else 1


def pretend(interface, source, group, port):
    source_bytes, group_bytes = (socket.inet_pton(socket.AF_INET6, address) for address in (source, group))
    payload, hops = b"not from you", 1
    size = 8 + len(payload)
    datagram = struct.pack("!HHHH", 4000, int(port), size, 0) + payload
    checksum = internet_checksum(source_bytes + group_bytes + struct.pack("!II", size, socket.IPPROTO_UDP) + datagram)
    header = struct.pack("!IHBB", 6 << 28, size, socket.IPPROTO_UDP, hops) + source_bytes + group_bytes
    link = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    for _ in range(3):
        packet = header + datagram[:6] + struct.pack("!H", checksum) + datagram[8:]
        link.sendto(packet, (group, 0, 0, socket.if_nametoindex(interface)))
    return 0


def listen(port, seconds, ready_file):
    link = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    link.bind(("::", int(port)))
    pathlib.Path(ready_file).touch()
    return 0 if any(True for _ in received(link, float(seconds))) else 1


VERBS = {verb.__name__: verb for verb in (ping, router, advertise, join, hear, query, echo_to_self, pretend, listen)}

if __name__ == "__main__":
    sys.exit(VERBS[sys.argv[1]](*sys.argv[2:]))
