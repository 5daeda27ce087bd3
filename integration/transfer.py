#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""One TCP connection that carries many bytes one way. Exit 0 if all of them arrived in time, else 1.

    transfer.py serve READY_FILE ADDRESS PORT give|take BYTES SECONDS
    transfer.py connect ADDRESS PORT give|take BYTES SECONDS [SOURCE]
"""
import pathlib
import socket
import sys


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def give(connection, size):
    connection.sendall(bytes(size))
    connection.shutdown(socket.SHUT_WR)
    return connection.recv(1) == b"."  # sent by who takes, when it has taken all


def take(connection, size):
    taken = 0
    while taken < size and (data := connection.recv(65536)):
        taken += len(data)
    connection.sendall(b".")
    return taken == size


WAYS = {"give": give, "take": take}


def serve(ready_file, address, port, way, size, seconds):
    with socket.create_server((address, int(port)), family=family_of(address)) as server:
        server.settimeout(float(seconds))
        pathlib.Path(ready_file).touch()
        connection, _ = server.accept()
        with connection:
            connection.settimeout(float(seconds))
            return WAYS[way](connection, int(size))


def connect(address, port, way, size, seconds, source=None):
    bound = (source, 0) if source else None
    with socket.create_connection((address, int(port)), float(seconds), bound) as connection:
        return WAYS[way](connection, int(size))


if __name__ == "__main__":
    try:
        sys.exit(0 if {"serve": serve, "connect": connect}[sys.argv[1]](*sys.argv[2:]) else 1)
    except OSError as error:
        sys.exit(f"{' '.join(sys.argv[1:])}: {error}")
