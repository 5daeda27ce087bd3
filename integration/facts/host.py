# SPDX-License-Identifier: GPL-2.0-or-later
"""A host to try rules on, in a network namespace of its own, with neighbours in theirs. Everything happens in one
process: a socket stays in the namespace in which it was made."""
import contextlib
import ctypes
import json
import os
import socket
import subprocess
import time

CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
HOST = "host"
libc = ctypes.CDLL(None, use_errno=True)


class Refused(Exception):
    """What nft says."""


def call(function, *arguments):
    if getattr(libc, function)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), function)


def enter_new_host():
    """This process is on a host of its own from now on."""
    call("unshare", CLONE_NEWNS | CLONE_NEWNET)
    call("mount", b"tmpfs", b"/run", b"tmpfs", 0, None)
    os.mkdir("/run/netns")
    os.close(os.open("/run/netns/host", os.O_CREAT))
    call("mount", b"/proc/thread-self/ns/net", b"/run/netns/host", None, 4096, None)  # MS_BIND
    run_ip("link set lo up")
    sysctl("net/ipv4/ip_forward", 1)
    sysctl("net/ipv6/conf/all/forwarding", 1)
    sysctl("net/ipv6/conf/default/accept_dad", 0)  # addresses are usable at once


def run_ip(words):
    subprocess.run(["ip", *words.split()], check=True)


def sysctl(path, value, where=HOST):
    with inside(where), open(f"/proc/sys/{path}", "w") as file:
        file.write(str(value))


@contextlib.contextmanager
def inside(where):
    def enter(name):
        with open(f"/run/netns/{name}") as namespace:
            call("setns", namespace.fileno(), CLONE_NEWNET)

    enter(where)
    try:
        yield
    finally:
        enter(HOST)


def neighbour(name, number):
    """A host NAME at the policed host's interface if-NAME: 10.77.N.2 and fd77:N::2; the policed host is .1 there."""
    run_ip(f"netns add {name}")
    sysctl("net/ipv6/conf/default/accept_dad", 0, name)
    run_ip(f"link add if-{name} type veth peer name eth0 netns {name}")
    for where, device, last in (("", f"if-{name}", 1), (f"-n {name} ", "eth0", 2)):
        run_ip(f"{where}addr add 10.77.{number}.{last}/24 dev {device}")
        run_ip(f"{where}addr add fd77:{number}::{last}/64 dev {device}")
        run_ip(f"{where}link set {device} up")
    run_ip(f"-n {name} link set lo up")
    run_ip(f"-n {name} route add default via 10.77.{number}.1")
    run_ip(f"-n {name} -6 route add default via fd77:{number}::1")
    # The kernel takes note of a carrier a little later: until then there is no link-local address.
    deadline = time.monotonic() + 5
    while not (link_local(f"if-{name}") and link_local("eth0", name)) and time.monotonic() < deadline:
        time.sleep(0.01)


def output_of(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def hardware_address(device, where=HOST):
    with inside(where):
        return bytes.fromhex(json.loads(output_of("ip", "-j", "link", "show", device))[0]["address"].replace(":", ""))


def link_local(device, where=HOST):
    with inside(where):
        words = output_of("ip", "-6", "-br", "addr", "show", "dev", device, "scope", "link").split()
    return words[2].split("/")[0] if len(words) > 2 else ""


# --- rules ------------------------------------------------------------------------------------------------------------


def nft(text):
    """One batch."""
    run = subprocess.run(["nft", "-f", "-"], input=text, capture_output=True, text=True)
    if run.returncode != 0:
        raise Refused(run.stderr)


def listing(*words):
    return json.loads(output_of("nft", "-j", "list", *words))["nftables"]


def tables_there():
    return [(item["table"]["family"], item["table"]["name"]) for item in listing("tables") if "table" in item]


def table(*chains, family="ip", name="drywall"):
    return f"table {family} {name} {{\n" + "\n".join(chains) + "\n}\n"


def base(hook, priority, *rules, kind="filter"):
    name = f"{hook}_{priority}".replace("-", "minus_")
    return chain(name, f"type {kind} hook {hook} priority {priority}; policy accept;", *rules)


def chain(name, *rules):
    return f"chain {name} {{\n" + "\n".join(rules) + "\n}"


def count(comment, verdict=""):
    """The end of a rule that `hits` finds."""
    return f'counter {verdict} comment "{comment}"'


def hits(comment):
    """Packets that the rules with this comment counted."""
    rules = [item["rule"] for item in listing("ruleset") if item.get("rule", {}).get("comment") == comment]
    if not rules:
        raise KeyError(comment)
    return sum(e["counter"]["packets"] for rule in rules for e in rule["expr"] if "counter" in e)


# --- traffic ----------------------------------------------------------------------------------------------------------


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def udp_socket(where, address, port=0):
    with inside(where):
        link = socket.socket(family_of(address), socket.SOCK_DGRAM)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if ":" in address:
            link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        link.bind((address, port))
    return link


def datagrams(where, to, *ports, source=None):
    """One to each port; a rule at output may refuse it."""
    link = udp_socket(where, source or ("::" if ":" in to else "0.0.0.0"))
    for port in ports:
        with contextlib.suppress(OSError):  # refused, or the error of the one before
            link.sendto(b"hello", (to, port))
    return link


def arrived(link, expected=1, seconds=3):
    """How many datagrams came, as soon as they are as many as expected; 0: none within a moment."""
    deadline, number = time.monotonic() + (seconds if expected else 0.1), 0
    link.setblocking(False)
    while time.monotonic() < deadline and (number < expected or not expected):
        try:
            link.recv(65535)
            number += 1
        except BlockingIOError:
            time.sleep(0.002)
        except OSError:
            pass  # an ICMP error
    return number


def listener(where, address, port):
    with inside(where):
        return socket.create_server((address, port), family=family_of(address))


def connected(where, address, port, seconds=3):
    """A TCP connection, or None."""
    with inside(where):
        client = socket.socket(family_of(address), socket.SOCK_STREAM)
    client.settimeout(seconds)
    try:
        client.connect((address, port))
        return client
    except OSError:
        client.close()
        return None


def put_on_link(where, device, packet, to):
    """By a packet socket, which no rule of the sender sees; `to`: the receiver's hardware address."""
    ethernet_type = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    with inside(where):
        link = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        link.sendto(packet, (device, ethernet_type, 0, 0, to))
