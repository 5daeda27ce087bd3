#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What connection tracking of this network namespace knows.

    connections.py [KEY=VALUE...]     prints the entries that have all of these; exit 0 if there are any, 1 if not

Keys: family (4, 6), protocol (tcp, udp or a number), source, destination, source_port, port (of the original
direction), reply_source, reply_port (who answers), status, mark.
"""
import errno
import os
import socket
import struct
import sys

NETLINK_NETFILTER = 12
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_DELETE = 1 << 8 | 1, 1 << 8 | 2  # subsystem in the upper byte
SOCKET_BUFFER = 1 << 20

# linux/netfilter/nfnetlink_conntrack.h
CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_STATUS, CTA_MARK = 1, 2, 3, 8
CTA_TUPLE_IP, CTA_TUPLE_PROTO = 1, 2
CTA_IP_V4_SRC, CTA_IP_V4_DST, CTA_IP_V6_SRC, CTA_IP_V6_DST = 1, 2, 3, 4
CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT = 1, 2, 3
NLA_TYPE_MASK = 0x3FFF
PROTOCOLS = {socket.IPPROTO_TCP: "tcp", socket.IPPROTO_UDP: "udp"}


def attributes(data):
    found, at = {}, 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        found[kind & NLA_TYPE_MASK] = data[at + 4:at + length]
        at += (max(length, 4) + 3) & ~3
    return found


def address(data):
    return socket.inet_ntop(socket.AF_INET if len(data) == 4 else socket.AF_INET6, data)


def number(data):
    return int.from_bytes(data or b"\0", "big")


def tuple_of(data, prefix):
    parts = attributes(data)
    ip, layer4 = attributes(parts[CTA_TUPLE_IP]), attributes(parts[CTA_TUPLE_PROTO])
    return {
        prefix + "source": address(ip.get(CTA_IP_V4_SRC) or ip.get(CTA_IP_V6_SRC)),
        prefix + "destination": address(ip.get(CTA_IP_V4_DST) or ip.get(CTA_IP_V6_DST)),
        prefix + "source_port": number(layer4.get(CTA_PROTO_SRC_PORT)),
        prefix + "port": number(layer4.get(CTA_PROTO_DST_PORT)),
    }, number(layer4[CTA_PROTO_NUM])


def entry(message):
    family = message[0]
    parts = attributes(message[4:])
    original, protocol = tuple_of(parts[CTA_TUPLE_ORIG], "")
    reply, _ = tuple_of(parts[CTA_TUPLE_REPLY], "reply_")
    return {
        "family": 4 if family == socket.AF_INET else 6,
        "protocol": PROTOCOLS.get(protocol, protocol),
        **original,
        **reply,
        "status": number(parts.get(CTA_STATUS)),
        "mark": number(parts.get(CTA_MARK)),
    }


def ask(kind, flags):
    """The messages of the answer, each a type and a body."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as kernel:
        kernel.settimeout(10)
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        every_family = struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)
        kernel.send(struct.pack("=IHHII", 16 + len(every_family), kind, NLM_F_REQUEST | flags, 1, 0) + every_family)
        while True:
            data, at = kernel.recv(SOCKET_BUFFER), 0
            while at + 16 <= len(data):
                length, answer = struct.unpack_from("=IH", data, at)
                if answer == NLMSG_DONE:
                    return
                if answer == NLMSG_ERROR:
                    error = -struct.unpack_from("=i", data, at + 16)[0]
                    if error not in (0, errno.ENOENT):
                        raise OSError(error, f"asking conntrack: {os.strerror(error)}")
                    return
                yield data[at + 16:at + length]
                at += (length + 3) & ~3


def entries():
    """All of them, in no order."""
    return [entry(body) for body in ask(IPCTNL_MSG_CT_GET, NLM_F_DUMP)]


def flush():
    """Forgets all of them: a delete that names none means all."""
    for _ in ask(IPCTNL_MSG_CT_DELETE, NLM_F_ACK):
        pass


def main(arguments):
    wanted = dict(argument.split("=", 1) for argument in arguments)
    fitting = [e for e in entries() if all(str(e[key]) == value for key, value in wanted.items())]
    for found in fitting:
        print(*(f"{key}={value}" for key, value in found.items()))
    return 0 if fitting else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
