# SPDX-License-Identifier: GPL-2.0-or-later
"""Pending chains."""
from facts.fact import expect, expect_hits, fact
from facts.host import (
    HOST,
    arrived,
    base,
    connected,
    count,
    datagrams,
    hardware_address,
    listener,
    neighbour,
    nft,
    put_on_link,
    table,
    udp_socket,
)
from facts.packets import tcp_syn


@fact
def raw_prerouting_knows_no_state():
    """At the raw hook there is no state (everything is `invalid`), so every packet is evaluated there."""
    neighbour("a", 1)
    match = "udp dport 1000 "
    states = [
        match + f"ct state {state} " + count(f"raw {state}") for state in ("invalid", "new", "established", "untracked")
    ]
    nft(
        table(
            base("prerouting", -295, *states), base("input", -13, match + "ct state new,established " + count("known"))
        )
    )
    server = udp_socket(HOST, "0.0.0.0", 1000)
    client = datagrams("a", "10.77.1.1", 1000)
    server.settimeout(3)
    server.sendto(b"!", server.recvfrom(10)[1])
    expect("the answer", arrived(client), 1)
    client.sendto(b"again", ("10.77.1.1", 1000))
    expect_hits({"raw invalid": 2, "raw new": 0, "raw established": 0, "raw untracked": 0, "known": 2})


@fact
def the_first_packet_is_the_one_not_confirmed():
    """Log when `ct status & confirmed == 0` or the packet is untracked: that is exactly the first packet of a tracked
    flow and every retry of a denied one. `ct state new` alone is wrong: one-way UDP is new for ever (1000 of 1000),
    untracked packets never are, a SYN's retries are new each time."""
    neighbour("a", 1)
    ports = "{ 1000, 1001, 1002 }"
    named = {1000: "allowed", 1001: "denied", 1002: "untracked"}
    rules = []
    for port, name in named.items():
        rules += [
            f"udp dport {port} ct state new " + count(f"{name}: new"),
            f"udp dport {port} ct status ! confirmed " + count(f"{name}: first"),
        ]
    rules += [
        "udp dport 1002 ct state untracked " + count("untracked: untracked"),
        "tcp dport 1003 ct state new " + count("syn: new"),
    ]
    rules += [
        "tcp dport 1003 ct status ! confirmed " + count("syn: first"),
        "udp dport 1001 drop",
        "tcp dport 1003 drop",
    ]
    nft(table(base("prerouting", -295, "udp dport 1002 notrack"), base("input", -13, *rules)))
    for port in named:
        datagrams("a", "10.77.1.1", *[port] * 1000)
    for _ in range(3):
        put_on_link("a", "eth0", tcp_syn("10.77.1.2", "10.77.1.1", 5000, 1003), hardware_address("if-a"))
    expect_hits({"allowed: new": 1000, "allowed: first": 1, "denied: new": 1000, "denied: first": 1000})
    expect_hits(
        {"untracked: new": 0, "untracked: first": 0, "untracked: untracked": 1000, "syn: new": 3, "syn: first": 3}
    )


@fact
def an_answered_flow_is_new_once():
    """Established/related leave first: a flow that is answered has one packet that is not confirmed, and is new no more
    after the answer; a TCP connection's is its SYN."""
    neighbour("a", 1)
    leaving = "ct state established,related accept"
    nft(
        table(
            base(
                "input",
                -24,
                leaving,
                "tcp dport 1000 " + count("judged"),
                "tcp dport 1000 ct status ! confirmed " + count("first"),
            )
        )
    )
    server = listener(HOST, "0.0.0.0", 1000)
    client = connected("a", "10.77.1.1", 1000)
    accepted, _ = server.accept()
    for _ in range(20):
        client.send(b"x")
        accepted.recv(1)
    expect_hits(judged=1, first=1)
