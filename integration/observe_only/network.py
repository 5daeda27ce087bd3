# SPDX-License-Identifier: GPL-2.0-or-later
"""The hosts of observe-only.sh: sends as each of them, and sees what reaches them, and what passes the policed host."""
import contextlib
import ctypes
import json
import os
import select
import socket
import struct
import subprocess
import time
from collections import Counter

import connections
from conversations import MAGIC, NUMBERS

CLONE_NEWNET = 0x40000000
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 3, 0x0800, 0x86DD
PACKET_OUTGOING = 4
IPV6_HDRINCL = 36
BUFFER = 8 << 20

# linux/netfilter/nfnetlink_log.h; the subsystem in the upper byte
NETLINK_NETFILTER, NFNL_SUBSYS_ULOG = 12, 4
NFULNL_MSG_PACKET, NFULNL_MSG_CONFIG = NFNL_SUBSYS_ULOG << 8, NFNL_SUBSYS_ULOG << 8 | 1
NFULA_CFG_CMD, NFULA_CFG_MODE, NFULA_CFG_QTHRESH = 1, 2, 5
NFULNL_CFG_CMD_BIND, NFULNL_COPY_PACKET = 1, 2
NFULA_MARK, NFULA_PAYLOAD, NFULA_PREFIX = 2, 9, 10

GROUP = 77
LAST = "last"  # the prefix that announces a sender's last packet
MARK_BIT = 1 << 30  # of the host's own packets
# The test's own tables. They know every connection, give packets a mark that must stay, keep the host's kernel from
# answering (its answers would differ each time), and show what comes out behind all others' chains.
TABLES = f"""
table inet services {{
  chain prerouting {{
    type nat hook prerouting priority dstnat
    ip daddr 10.99.0.1 meta l4proto {{ tcp, udp }} th dport 80 dnat ip to 10.77.1.1:8080
    ip daddr 10.99.0.1 meta l4proto {{ tcp, udp }} th dport 81 dnat ip to 10.77.3.2:8080
    ip6 daddr fd99::1 meta l4proto {{ tcp, udp }} th dport 80 dnat ip6 to [fd77:1::1]:8080
    ip6 daddr fd99::1 meta l4proto {{ tcp, udp }} th dport 81 dnat ip6 to [fd77:3::2]:8080
  }}
}}
table inet probe {{
  counter ct-mark-kept {{}}
  counter ct-mark-zero {{}}
  counter ct-mark-other {{}}
  chain first {{
    type filter hook prerouting priority -390
    udp dport 9 udp sport 9 log prefix "{LAST}" group {GROUP} drop
    meta l4proto {{ udp, tcp }} meta mark set 0x1234
  }}
  chain tracked {{
    type filter hook prerouting priority -190
    meta l4proto udp ct state new ct mark set 0x77
  }}
  chain first-out {{
    type filter hook output priority -390
    meta mark & {MARK_BIT:#x} == 0 drop
  }}
  chain input {{
    type filter hook input priority 300
    goto seen
  }}
  chain forward {{
    type filter hook forward priority 300
    goto seen
  }}
  chain output {{
    type filter hook output priority 300
    goto seen
  }}
  chain postrouting {{
    type filter hook postrouting priority 400
    goto seen
  }}
  chain seen {{
    ct mark 0x77 counter name ct-mark-kept
    ct mark 0 counter name ct-mark-zero
    ct mark != 0 ct mark != 0x77 counter name ct-mark-other
    log prefix "seen" group {GROUP}
  }}
}}
"""

# Of the neighbours' kernels too: what we send from there passes no rule.
SILENCE = "table inet silent { chain output { type filter hook output priority 0; policy drop; }; }"


def run(*command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


@contextlib.contextmanager
def inside(neighbour):
    """Sockets that are made here are the neighbour's for ever."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{neighbour}", "rb") as there:
        if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"entering the namespace of {neighbour}")
        try:
            yield
        finally:
            libc.setns(home.fileno(), CLONE_NEWNET)


def enlarge(made):
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    made.setblocking(False)
    return made


class Log:
    """What our rules log."""

    def __init__(self):
        self.kernel = enlarge(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER))
        self.kernel.bind((0, 0))
        self.configure(NFULA_CFG_CMD, struct.pack("=B", NFULNL_CFG_CMD_BIND))
        self.configure(NFULA_CFG_MODE, struct.pack("!IBB", 65535, NFULNL_COPY_PACKET, 0))
        self.configure(NFULA_CFG_QTHRESH, struct.pack("!I", 1))

    def configure(self, kind, value):
        attribute = struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
        body = struct.pack("=BB", socket.AF_UNSPEC, 0) + struct.pack("!H", GROUP) + attribute
        self.kernel.send(struct.pack("=IHHII", 16 + len(body), NFULNL_MSG_CONFIG, 5, 1, 0) + body)  # request, ack
        select.select([self.kernel], [], [], 10)
        answer = self.kernel.recv(4096)
        error = -struct.unpack_from("=i", answer, 16)[0]
        if error:
            raise OSError(error, f"NFLOG group {GROUP}: {os.strerror(error)}")

    def drain(self):
        """(prefix, hook, mark, packet) of each."""
        while True:
            try:
                data, at = self.kernel.recv(1 << 18), 0
            except BlockingIOError:
                return
            while at + 16 <= len(data):
                length, kind = struct.unpack_from("=IH", data, at)
                if kind == NFULNL_MSG_PACKET:
                    parts = connections.attributes(data[at + 20:at + length])
                    hook = parts[1][2]  # struct nfulnl_msg_packet_hdr
                    yield (parts[NFULA_PREFIX].rstrip(b"\0").decode(), hook,
                           int.from_bytes(parts.get(NFULA_MARK, b"\0"), "big"), parts[NFULA_PAYLOAD])
                at += (length + 3) & ~3


class Network:
    def __init__(self):
        run("nft", "-f", "-", text=TABLES)
        self.log = Log()
        self.links, self.gateways = {}, {}
        for name in NUMBERS:
            run("nsenter", f"--net=/run/netns/{name}", "nft", "-f", "-", text=SILENCE)
            with inside(name):
                link = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
                link.bind(("eth0", ETH_P_ALL))
            self.links[name] = enlarge(link)
            out = "br0" if name == "box" else f"if-{name}"
            self.gateways[name] = link_address("ip", out)
            neighbour = link_address(f"nsenter --net=/run/netns/{name} ip", "eth0").hex(":")
            for address in (f"10.77.{NUMBERS[name]}.2", f"fd77:{NUMBERS[name]}::2"):
                run("ip", "neigh", "replace", address, "lladdr", neighbour, "dev", out, "nud", "permanent")
        self.own = {4: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
                    6: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)}

    def send(self, packet):
        family = packet.data[0] >> 4
        if packet.sender == "host":
            raw = self.own[family]
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, packet.mark)
            with contextlib.suppress(PermissionError):  # dropped by policy
                raw.sendto(packet.data, (packet.destination, 0))
            return
        ether_type = ETH_P_IP if family == 4 else ETH_P_IPV6
        self.links[packet.sender].sendto(packet.data, ("eth0", ether_type, 0, 0, self.gateways[packet.sender]))

    def watch(self, packets, last):
        """Sends them, and `last` of each neighbour behind; then tells all that can be seen of them."""
        connections.flush()
        run("nft", "reset", "counters", "table", "inet", "probe")
        for packet in (*packets, *last):
            self.send(packet)
        seen, announced, deadline = Counter(), 0, time.monotonic() + 10
        while announced < len(last):
            if time.monotonic() > deadline:
                raise TimeoutError("the last packets were not seen")
            select.select([self.log.kernel], [], [], 0.1)
            announced += self.read_log(seen)
        time.sleep(0.03)
        self.read_log(seen)
        return {
            "what passed the host's hooks, with its mark": seen,
            "what arrived": self.arrived(),
            "connections": Counter(str(entry) for entry in connections.entries()),
            "connections' marks": Counter(counted()),
        }

    def read_log(self, seen):
        announced = 0
        for prefix, hook, mark, data in self.log.drain():
            announced += prefix == LAST
            if prefix != LAST and MAGIC in data:
                seen[hook, mark, data] += 1
        return announced

    def arrived(self):
        seen = Counter()
        for name, link in self.links.items():
            with contextlib.suppress(BlockingIOError):
                while True:
                    data, (_, _, direction, *_) = link.recvfrom(65535)
                    if direction != PACKET_OUTGOING and MAGIC in data:
                        seen[name, data] += 1
        return seen


def counted():
    """The probe's counters by name."""
    told = json.loads(run("nft", "-j", "list", "counters", "table", "inet", "probe"))["nftables"]
    return {item["counter"]["name"]: item["counter"]["packets"] for item in told if "counter" in item}


def link_address(ip, interface):
    told = json.loads(run(*ip.split(), "-j", "link", "show", "dev", interface))
    return bytes.fromhex(told[0]["address"].replace(":", ""))
