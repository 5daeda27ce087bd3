#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Traffic that must come through and traffic that must not, counted datagram by datagram.

    steady.py listen READY_FILE RESULT_FILE   echoes what comes to UDP port 7000; on SIGTERM writes how many came to 7001
    steady.py talk ADDRESS SECONDS            to port 7000 one flow that lasts and a new one each time, each answer awaited,
                                              and a knock on 7001; prints `SENT MISSING KNOCKS`
"""
import contextlib
import pathlib
import select
import signal
import socket
import sys
import time

ECHO, CLOSED = 7000, 7001


def bound(family, port):
    s = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
    return s


def listen(ready, result):
    knocked = 0

    def end(*_):
        pathlib.Path(result).write_text(str(knocked))
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    ports = {bound(family, port): port for family in (socket.AF_INET, socket.AF_INET6) for port in (ECHO, CLOSED)}
    pathlib.Path(ready).touch()
    while True:
        for s in select.select(list(ports), [], [])[0]:
            data, peer = s.recvfrom(2048)
            if ports[s] == CLOSED:
                knocked += 1
            else:
                with contextlib.suppress(OSError):  # the interface it came by may be gone
                    s.sendto(data, peer)


def flow(family, address):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(1)
    s.connect((address, ECHO))
    return s


def is_answered(s, number):
    text = b"%d" % number
    try:
        s.send(text)
        return s.recv(64) == text
    except (socket.timeout, ConnectionError):
        return False


def talk(address, seconds):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    lasting = flow(family, address)
    sent = missing = knocks = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with flow(family, address) as fresh:
            for s in (lasting, fresh):
                sent += 1
                missing += not is_answered(s, sent)
        with socket.socket(family, socket.SOCK_DGRAM) as knock:
            knock.sendto(b"?", (address, CLOSED))
        knocks += 1
        time.sleep(0.001)
    print(sent, missing, knocks)


if __name__ == "__main__":
    if sys.argv[1] == "listen":
        listen(sys.argv[2], sys.argv[3])
    else:
        talk(sys.argv[2], float(sys.argv[3]))
