#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""One datagram under any address, and whether it comes through.

    crafted.py [OPTION...] FROM TO SOURCE DESTINATION [SOURCE_PORT PORT]

FROM is a neighbour (integration/lib.sh), whose packet goes to the policed host; TO is a neighbour or `host`. Exit 0
if TO's kernel delivered it, 1 if not in time.

    --within SECONDS    how long to wait (0.5)
"""
import argparse
import ctypes
import ipaddress
import json
import os
import select
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "connectivity"))
import packet  # noqa: E402

CLONE_NEWNET = 0x40000000
ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD


def enter(neighbour):
    """For good."""
    if neighbour == "host":
        return
    with open(f"/run/netns/{neighbour}", "rb") as handle:
        if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"entering the namespace of {neighbour}")


def link_address(interface):
    told = subprocess.run(["ip", "-j", "link", "show", "dev", interface], capture_output=True, check=True).stdout
    return bytes.fromhex(json.loads(told)[0]["address"].replace(":", ""))


def frame_address(destination, gateway):
    address = ipaddress.ip_address(destination)
    if address.version == 6 and address.is_multicast:
        return b"\x33\x33" + address.packed[-4:]
    return b"\xff" * 6 if destination == "255.255.255.255" else gateway


def send(neighbour, data, destination, gateway):
    """From a process of its own: a namespace is entered for good."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            enter(neighbour)
            with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as link:
                ether_type = ETH_P_IPV6 if ":" in destination else ETH_P_IP
                link.sendto(data, ("eth0", ether_type, 0, 0, frame_address(destination, gateway)))
            status = 0
        finally:
            os._exit(status)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        raise RuntimeError(f"{neighbour} cannot send")


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--within", type=float, default=0.5)
    parser.add_argument("sender")
    parser.add_argument("receiver")
    parser.add_argument("source")
    parser.add_argument("destination")
    parser.add_argument("ports", type=int, nargs="*", default=[4000, 4001])
    wanted = parser.parse_args()

    token = os.urandom(16)
    datagram = packet.udp(wanted.source, wanted.destination, *wanted.ports, token)
    data = packet.ip(wanted.source, wanted.destination, socket.IPPROTO_UDP, datagram)
    gateway = link_address(f"if-{wanted.sender}")
    ours, theirs = socket.socketpair()
    watcher = os.fork()
    if watcher == 0:
        status = 2
        try:
            enter(wanted.receiver)
            status = watch(packet.family_of(wanted.destination), token, theirs, wanted.within)
        finally:
            os._exit(status)
    theirs.close()
    if ours.recv(1) != b"r":
        raise RuntimeError(f"{wanted.receiver} cannot watch")
    send(wanted.sender, data, wanted.destination, gateway)
    ours.send(b"s")
    return os.waitstatus_to_exitcode(os.waitpid(watcher, 0)[1])


def watch(family, token, starter, seconds):
    """What the kernel delivers to a raw socket has passed all its hooks."""
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
        starter.send(b"r")
        starter.recv(1)
        while select.select([raw], [], [], seconds)[0]:
            if token in raw.recv(65535):
                return 0
        return 1


if __name__ == "__main__":
    sys.exit(main())
