#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Small honest traffic: a server that answers every connection or datagram with its own bytes, and a client.

    traffic.py serve PROTOCOL READY_FILE PORT...          on all addresses of both families, until killed
    traffic.py connect PROTOCOL ADDRESS PORT SECONDS [SOURCE]
                                                          exit 0 answered, 1 no answer in time, 2 refused
    traffic.py reach PORT SECONDS ADDRESS...              TCP to all at once; prints `ADDRESS yes|no` for each
    traffic.py reach_from ADDRESS PORT SECONDS SOURCE...  TCP from all these at once; prints `SOURCE yes|no` for each
    traffic.py error ADDRESS PORT BYTES SECONDS           sends one unfragmented datagram; prints the ICMP error that
                                                          comes back, `unreachable` or `too-big MTU`; exit 1 none in time
"""
import errno
import pathlib
import select
import socket
import struct
import sys
import time

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
# linux/in.h, linux/in6.h, linux/errqueue.h
IP_MTU_DISCOVER, IP_RECVERR, IPV6_MTU_DISCOVER, IPV6_RECVERR = 10, 11, 23, 25
PMTUDISC_DO = 2
SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6 = 2, 3


def serve(protocol, ready_file, ports):
    sockets = []
    for port in ports:
        for family, anywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            server = socket.socket(family, KINDS[protocol])
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            server.bind((anywhere, port))
            if protocol == "tcp":
                server.listen(4096)
            sockets.append(server)
    pathlib.Path(ready_file).touch()
    while True:
        for ready in select.select(sockets, [], [])[0]:
            answer(protocol, ready)


def answer(protocol, server):
    if protocol == "udp":
        data, sender = server.recvfrom(2048)
        try:
            server.sendto(data, sender)
        except PermissionError:
            pass  # the own host's policy drops the answer
        return
    connection, _ = server.accept()
    with connection:
        connection.settimeout(2)
        try:
            connection.sendall(connection.recv(2048))
        except OSError:
            pass  # the client went away: its affair


def connect(protocol, address, port, seconds, source=None):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, KINDS[protocol]) as client:
        client.settimeout(seconds)
        try:
            if source:
                client.bind((source, 0))
            # With the scope, if the address has one.
            client.connect(socket.getaddrinfo(address, port, family, KINDS[protocol])[0][4])
            client.send(b"hello")
            return 0 if client.recv(2048) == b"hello" else 2
        except socket.timeout:
            return 1
        except OSError as error:
            print(f"{protocol} {address} {port}: {error}", file=sys.stderr)
            return 2


def reach(port, seconds, addresses):
    waiting = {}
    for address in addresses:
        client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        client.setblocking(False)
        client.connect_ex((address, port))
        waiting[client] = address
    return print_answers(waiting, seconds)


def reach_from(address, port, seconds, sources):
    waiting = {}
    for source in sources:
        client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        client.setblocking(False)
        client.bind((source, 0))
        client.connect_ex((address, port))
        waiting[client] = source
    return print_answers(waiting, seconds)


def print_answers(waiting, seconds):
    deadline = time.monotonic() + seconds
    answers = dict.fromkeys(waiting.values(), "no")
    while waiting and time.monotonic() < deadline:
        for client in select.select([], list(waiting), [], max(0, deadline - time.monotonic()))[1]:
            connected = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
            answers[waiting.pop(client)] = "yes" if connected else "no"
    for who, answer_word in answers.items():
        print(who, answer_word)
    return 0


def error(address, port, size, seconds):
    v6 = ":" in address
    with socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM) as client:
        level = socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP
        client.setsockopt(level, IPV6_MTU_DISCOVER if v6 else IP_MTU_DISCOVER, PMTUDISC_DO)
        client.setsockopt(level, IPV6_RECVERR if v6 else IP_RECVERR, 1)
        client.connect((address, port))
        client.send(bytes(size))
        waiting = select.poll()
        waiting.register(client, select.POLLERR)
        if not waiting.poll(seconds * 1000):
            return 1
        _, ancillary, _, _ = client.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
        number, origin, _, _, _, info = struct.unpack_from("=IBBBBI", ancillary[0][2])
        if origin not in (SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6):
            return 1
        print(f"too-big {info}" if number == errno.EMSGSIZE else "unreachable")
        return 0


if __name__ == "__main__":
    if sys.argv[1] == "error":
        sys.exit(error(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])))
    if sys.argv[1] == "reach":
        sys.exit(reach(int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
    if sys.argv[1] == "reach_from":
        sys.exit(reach_from(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5:]))
    if sys.argv[1] == "serve":
        serve(sys.argv[2], sys.argv[3], [int(port) for port in sys.argv[4:]])
    sys.exit(connect(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]), *sys.argv[6:]))
