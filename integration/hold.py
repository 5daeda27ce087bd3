#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""hold.py ADDRESS PORT READY: makes a TCP connection, creates the file READY, and keeps it open until stdin ends."""
import socket
import sys

address, port, ready = sys.argv[1:]
with socket.create_connection((address, int(port)), timeout=5):
    open(ready, "w").close()
    sys.stdin.read()
