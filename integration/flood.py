#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Many UDP datagrams as fast as one process can send them, in three seconds at least, from this network namespace's eth0.

    flood.py GATEWAY SOURCE DESTINATION PORT COUNT [--random]      GATEWAY: a link address; prints the seconds it took

With --random each has another source address (the last 24 bits of SOURCE) and port; without, all are of one flow.
"""
import ipaddress
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "connectivity"))
import packet  # noqa: E402

ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD
TWEAK = 0x9E3779  # odd: numbers below 2^24 times this are all different, and not in order
LOW = 0xFFFFFF
PARTS, LEAST_SECONDS = 300, 3


def datagrams(source, destination, port, count, random):
    """Each with right checksums."""
    base, mask = int(ipaddress.ip_address(source)), ~LOW
    for number in range(count):
        if random:
            source = str(ipaddress.ip_address(base & mask | number * TWEAK & LOW))
        yield packet.ip(source, destination, socket.IPPROTO_UDP,
                        packet.udp(source, destination, 1024 + number % 60000 if random else 5000, port, b"flood"))
        if not random:
            return


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--random"]
    random = len(arguments) < len(sys.argv) - 1
    gateway, source, destination, port, count = *arguments[:3], int(arguments[3]), int(arguments[4])
    made = list(datagrams(source, destination, port, count, random))
    made *= 1 if random else count
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as link:
        ether_type = ETH_P_IPV6 if ":" in destination else ETH_P_IP
        where = ("eth0", ether_type, 0, 0, bytes.fromhex(gateway.replace(":", "")))
        begun = time.monotonic()
        part = max(len(made) // PARTS, 1)
        for number, data in enumerate(made):
            if number % part == 0:  # no faster than this: who looks on must be able to see it going on
                time.sleep(max(begun + LEAST_SECONDS * number / len(made) - time.monotonic(), 0))
            link.sendto(data, where)
        print(f"{time.monotonic() - begun:.2f}")


if __name__ == "__main__":
    main()
