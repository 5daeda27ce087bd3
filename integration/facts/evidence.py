# SPDX-License-Identifier: GPL-2.0-or-later
"""Evidence."""
import errno
import socket
import struct

from facts.fact import expect, expect_error, expect_hits, fact
from facts.host import HOST, arrived, base, count, datagrams, neighbour, nft, table, udp_socket
from facts.netlink import Netlink
from facts.packets import udp


@fact
def a_log_prefix_holds_127_bytes():
    """The kernel delivers: prefixes up to 127 bytes."""
    neighbour("a", 1)
    longest = "x" * 126 + "y"
    nft(table(base("input", -13, f'log prefix "{longest}" group 9')))
    group = Netlink().bind_group(9)
    datagrams("a", "10.77.1.1", 1000)
    expect("the prefix", group.logged(1)[0]["prefix"], longest.encode() + b"\0")


@fact
def what_a_log_message_holds_depends_on_the_hook():
    """Interface *indexes* only; at output and postrouting no timestamp and no hardware address, but uid and gid."""
    neighbour("a", 1)
    hooks = ("prerouting", "input", "output", "postrouting")
    nft(table(*(base(hook, -13, f'udp dport 1000 log prefix "{hook}" group 9') for hook in hooks)))
    group = Netlink().bind_group(9)
    datagrams("a", "10.77.1.1", 1000)
    datagrams(HOST, "10.77.1.2", 1000)
    held = {message["prefix"].rstrip(b"\0").decode(): message for message in group.logged(4)}
    always = {"header", "prefix", "payload"}
    incoming, outgoing = always | {"in", "timestamp", "hardware"}, always | {"out", "uid", "gid"}
    expect(
        "what they hold",
        {hook: set(held[hook]) for hook in hooks},
        {"prerouting": incoming, "input": incoming, "output": outgoing, "postrouting": outgoing},
    )
    index = struct.pack("!I", socket.if_nametoindex("if-a"))
    expect("interfaces", (held["input"]["in"], held["output"]["out"]), (index, index))
    expect("uid", held["output"]["uid"], struct.pack("!I", 0))


@fact
def a_log_group_has_one_owner():
    """A second binder of a group gets EPERM."""
    first = Netlink().bind_group(9)
    expect_error(errno.EPERM, Netlink().bind_group, 9)
    first.close()
    Netlink().bind_group(9)


@fact
def without_a_listener_packets_pass():
    """With no listener packets pass, counters count, logs are gone."""
    neighbour("a", 1)
    nft(table(base("input", -13, "udp dport 1000 counter log group 9 " + 'accept comment "leaf"')))
    server = udp_socket(HOST, "0.0.0.0", 1000)
    datagrams("a", "10.77.1.1", 1000, 1000)
    expect("datagrams", arrived(server, 2), 2)
    expect_hits(leaf=2)
    group = Netlink().bind_group(9)
    expect("logs of before", len(group.logged(1, 0.2)), 0)
    datagrams("a", "10.77.1.1", 1000)
    expect("logs of now", len(group.logged(1)), 1)


@fact
def logs_of_one_packet_come_in_order():
    """Order holds within a packet: its pending log, then its enforced ones; and one policy on a host and a workload
    endpoint logs twice at forward."""
    neighbour("a", 1)
    neighbour("b", 2)
    nft(
        table(
            base("forward", -28, 'udp dport 1000 log prefix "pending" group 9'),
            base("forward", -18, 'udp dport 1000 log prefix "host" group 9'),
            base("forward", -16, 'udp dport 1000 log prefix "workload" group 9'),
        )
    )
    group = Netlink().bind_group(9)
    datagrams("a", "10.77.2.2", *[1000] * 50)
    order = [message["prefix"].rstrip(b"\0") for message in group.logged(150)]
    expect("the order", order, [b"pending", b"host", b"workload"] * 50)


@fact
def a_full_limiter_sees_nothing_new():
    """Limiter: `add @seen { saddr . daddr . dport limit rate R } log`. When the set is full the add fails and flows go
    unseen (3 of 5)."""
    neighbour("a", 1)
    seen = "set seen { type inet_service; size 3; flags dynamic; }"
    nft(
        table(
            seen,
            base(
                "input",
                -13,
                "udp dport 1000-1004 add @seen { udp dport limit rate 1/hour burst 1 packets } " + count("logged"),
                "udp dport 1000-1004 " + count("all"),
            ),
        )
    )
    datagrams("a", "10.77.1.1", *range(1000, 1005), *range(1000, 1005))
    expect_hits({"logged": 3, "all": 10})
