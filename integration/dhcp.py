#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A DHCP client and a DHCP server of each family, as small as they can be, on ordinary sockets and the real ports.

    dhcp.py server4 INTERFACE ADDRESS SECONDS READY_FILE  leases ADDRESS to whoever asks, until killed
    dhcp.py client4 INTERFACE SECONDS                     discover, offer, request, acknowledgement; prints the address
    dhcp.py renew4 ADDRESS SERVER SECONDS                 request and acknowledgement, by unicast
    dhcp.py server6 INTERFACE ADDRESS SECONDS READY_FILE
    dhcp.py client6 INTERFACE SECONDS                     solicit, advertise, request, reply; prints the address

Exit 0; 1 if some answer did not come. Most real clients broadcast by packet sockets, which no rule at output sees; here
all packets pass the rules in both directions.
"""
import ipaddress
import pathlib
import select
import socket
import struct
import sys
import time

SERVER4, CLIENT4, SERVER6, CLIENT6 = 67, 68, 547, 546
DISCOVER, OFFER, REQUEST4, ACKNOWLEDGEMENT = 1, 2, 3, 5
SOLICIT, ADVERTISE, REQUEST6, REPLY = 1, 2, 3, 7
CLIENT_ID, SERVER_ID, IA_NA, IA_ADDRESS = 1, 2, 3, 5
ALL_SERVERS = "ff02::1:2"
MAGIC, TRANSACTION, BROADCAST_FLAG = b"\x63\x82\x53\x63", 0x44727977, 0x8000
HARDWARE = bytes.fromhex("020000000068")


class NoAnswer(Exception):
    pass


def udp_socket(family, interface, port):
    link = socket.socket(family, socket.SOCK_DGRAM)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if interface:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    if family == socket.AF_INET:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    link.bind(("", port))
    return link


def answer(link, seconds, fits):
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([link], [], [], left)[0]:
            data, sender = link.recvfrom(65535)
            if fits(data):
                return data, sender
    raise NoAnswer


# --- IPv4 (RFC 2131) --------------------------------------------------------------------------------------------------


def message4(operation, kind, yours="0.0.0.0", mine="0.0.0.0"):
    head = struct.pack("!BBBBIHH", operation, 1, 6, 0, TRANSACTION, 0, BROADCAST_FLAG)
    addresses = socket.inet_aton(mine) + socket.inet_aton(yours) + b"\0" * 8
    hardware_server_file = HARDWARE.ljust(208, b"\0")  # 16, 64 and 128 bytes
    return head + addresses + hardware_server_file + MAGIC + bytes([53, 1, kind, 255])


def kind4(data):
    return data[240 + 2] if data[236:240] == MAGIC and data[240] == 53 else None


def offered4(data):
    return socket.inet_ntoa(data[16:20])


def serve4(interface, address, seconds, ready_file):
    link = udp_socket(socket.AF_INET, interface, SERVER4)
    pathlib.Path(ready_file).touch()
    while True:
        data, sender = answer(link, float(seconds), lambda data: kind4(data) in (DISCOVER, REQUEST4))
        kind = OFFER if kind4(data) == DISCOVER else ACKNOWLEDGEMENT
        # Who has no address yet cannot be answered but by broadcast.
        to = "255.255.255.255" if sender[0] == "0.0.0.0" else sender[0]
        link.sendto(message4(2, kind, yours=address), (to, CLIENT4))


def ask4(link, kind, to, wanted, seconds, mine="0.0.0.0"):
    link.sendto(message4(1, kind, mine=mine), (to, SERVER4))
    return answer(link, seconds, lambda data: kind4(data) == wanted)[0]


def client4(interface, seconds):
    link = udp_socket(socket.AF_INET, interface, CLIENT4)
    ask4(link, DISCOVER, "255.255.255.255", OFFER, float(seconds))
    print(offered4(ask4(link, REQUEST4, "255.255.255.255", ACKNOWLEDGEMENT, float(seconds))))


def renew4(address, server, seconds):
    link = udp_socket(socket.AF_INET, None, CLIENT4)
    ask4(link, REQUEST4, server, ACKNOWLEDGEMENT, float(seconds), mine=address)


# --- IPv6 (RFC 8415) --------------------------------------------------------------------------------------------------


def option6(code, data):
    return struct.pack("!HH", code, len(data)) + data


def message6(kind, *options):
    return struct.pack("!I", kind << 24 | (TRANSACTION & 0xFFFFFF)) + b"".join(options)


def options6(data):
    found, offset = {}, 0
    while offset + 4 <= len(data):
        code, size = struct.unpack_from("!HH", data, offset)
        found[code] = data[offset + 4 : offset + 4 + size]
        offset += 4 + size
    return found


CLIENT_OPTION = option6(CLIENT_ID, b"\0\3\0\1" + HARDWARE)
SERVER_OPTION = option6(SERVER_ID, b"\0\3\0\1" + HARDWARE[::-1])
NO_ADDRESS = option6(IA_NA, struct.pack("!III", 1, 0, 0))


def serve6(interface, address, seconds, ready_file):
    link = udp_socket(socket.AF_INET6, interface, SERVER6)
    group = socket.inet_pton(socket.AF_INET6, ALL_SERVERS) + struct.pack("@I", socket.if_nametoindex(interface))
    link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    lease = option6(IA_ADDRESS, socket.inet_pton(socket.AF_INET6, address) + struct.pack("!II", 1800, 3600))
    leased = option6(IA_NA, struct.pack("!III", 1, 0, 0) + lease)
    pathlib.Path(ready_file).touch()
    while True:
        data, sender = answer(link, float(seconds), lambda data: data[0] in (SOLICIT, REQUEST6))
        kind = ADVERTISE if data[0] == SOLICIT else REPLY
        link.sendto(message6(kind, CLIENT_OPTION, SERVER_OPTION, leased), sender)


def client6(interface, seconds):
    link = udp_socket(socket.AF_INET6, interface, CLIENT6)
    link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(interface))
    link.sendto(message6(SOLICIT, CLIENT_OPTION, NO_ADDRESS), (ALL_SERVERS, SERVER6))
    answer(link, float(seconds), lambda data: data[0] == ADVERTISE)
    link.sendto(message6(REQUEST6, CLIENT_OPTION, SERVER_OPTION, NO_ADDRESS), (ALL_SERVERS, SERVER6))
    data, _ = answer(link, float(seconds), lambda data: data[0] == REPLY)
    lease = options6(options6(data[4:])[IA_NA][12:])[IA_ADDRESS]
    print(ipaddress.IPv6Address(lease[:16]))


VERBS = {"server4": serve4, "client4": client4, "renew4": renew4, "server6": serve6, "client6": client6}

if __name__ == "__main__":
    try:
        VERBS[sys.argv[1]](*sys.argv[2:])
    except NoAnswer:
        sys.exit(1)
    except PermissionError:
        sys.exit(1)  # a rule at output dropped it
