#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Small honest traffic: a server that answers every connection or datagram with its own bytes, and a client.

    traffic.py serve PROTOCOL READY_FILE PORT...          on all addresses of both families, until killed
    traffic.py connect PROTOCOL ADDRESS PORT SECONDS [SOURCE]
                                                          exit 0 answered, 1 no answer in time, 2 refused
    traffic.py reach PORT SECONDS ADDRESS...              TCP to all at once; prints `ADDRESS yes|no` for each
    traffic.py reach_from ADDRESS PORT SECONDS SOURCE...  TCP from all these at once; prints `SOURCE yes|no` for each
"""
import pathlib
import select
import socket
import sys
import time

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


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
        server.sendto(data, sender)
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
            client.connect((address, port))
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


if __name__ == "__main__":
    if sys.argv[1] == "reach":
        sys.exit(reach(int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
    if sys.argv[1] == "reach_from":
        sys.exit(reach_from(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5:]))
    if sys.argv[1] == "serve":
        serve(sys.argv[2], sys.argv[3], [int(port) for port in sys.argv[4:]])
    sys.exit(connect(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]), *sys.argv[6:]))
