# SPDX-License-Identifier: GPL-2.0-or-later
# knock.py ADDRESS PORT...: sends a datagram to each port every 5 ms, each from a port of its own, so that each is judged
# anew.
import socket
import sys
import time

while True:
    for port in sys.argv[2:]:
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knocker:
                knocker.sendto(b"knock", (sys.argv[1], int(port)))
        except OSError:
            pass
    time.sleep(0.005)
