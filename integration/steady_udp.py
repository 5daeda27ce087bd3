#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""steady_udp.py ADDRESS PORT...: five datagrams a second to each port, answered or not, for at most two minutes."""
import socket
import sys
import time

address, ports = sys.argv[1], [int(port) for port in sys.argv[2:]]
sender = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(600):
    for port in ports:
        try:
            sender.sendto(b"x", (address, port))
        except ConnectionRefusedError:
            pass
    time.sleep(0.2)
