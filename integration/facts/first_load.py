# SPDX-License-Identifier: GPL-2.0-or-later
"""First load."""
import socket

from facts.fact import eventually, expect, expect_hits, fact
from facts.host import HOST, base, connected, count, hits, listener, neighbour, nft, sysctl, table


def live_session():
    neighbour("a", 1)
    server = listener(HOST, "0.0.0.0", 8080)
    client = connected("a", "10.77.1.1", 8080)
    accepted, _ = server.accept()
    client.send(b"before")
    accepted.recv(6)
    accepted.settimeout(0.5)
    return server, client, accepted


@fact
def a_live_session_is_new_at_first_load():
    """If nothing used conntrack in the namespace before, it knows no connection: the server side of a live session is
    `new`, and a default deny stalled it."""
    server, client, accepted = live_session()
    nft(
        table(
            base(
                "input",
                -13,
                "ct state established,related accept",
                "tcp dport 8080 ct state new " + count("new", "drop"),
            )
        )
    )
    client.send(b"after")
    eventually(lambda: hits("new") > 0)
    expect("the session's packet is new", hits("new") > 0, True)
    try:
        accepted.recv(5)
    except socket.timeout:
        server.close()
        return
    raise AssertionError("it arrived")


@fact
def a_warm_up_keeps_a_live_session():
    """So the first generation is a warm-up (a conntrack expression, no verdict): a session that spoke meanwhile is
    known."""
    server, client, accepted = live_session()
    nft(table(base("input", -13, "ct state invalid " + count("warming"))))
    client.send(b"meanwhile")
    accepted.recv(9)
    nft(
        "delete table ip drywall\n"
        + table(base("input", -13, "ct state established,related accept", "tcp dport 8080 drop"))
    )
    client.send(b"after")
    expect("what arrives", accepted.recv(5), b"after")
    server.close()


@fact
def a_session_picked_up_at_its_answer_is_reversed():
    """An entry picked up mid-stream is reversed: entries whose originator is a local listening port are turned
    round."""
    server, client, accepted = live_session()
    nft(
        table(
            base("output", -14, "tcp sport 8080 ct state new " + count("server's packet is new")),
            base(
                "input",
                -13,
                "tcp dport 8080 ct direction reply ct original proto-src 8080 " + count("client's is a reply"),
            ),
        )
    )
    accepted.send(b"first")
    client.recv(5)
    client.send(b"after")
    accepted.recv(5)
    expect("reversed", eventually(lambda: hits("client's is a reply") > 0), True)
    expect_hits({"server's packet is new": 1})
    server.close()


@fact
def without_loose_tracking_a_live_session_is_invalid():
    """Warn when nf_conntrack_tcp_loose is 0."""
    server, client, accepted = live_session()
    nft(
        table(
            base(
                "input",
                -13,
                "tcp dport 8080 ct state invalid " + count("invalid"),
                "tcp dport 8080 ct state new " + count("new"),
            )
        )
    )
    sysctl("net/netfilter/nf_conntrack_tcp_loose", 0)
    client.send(b"after")
    accepted.recv(5)
    expect("invalid", eventually(lambda: hits("invalid") > 0), True)
    expect_hits(new=0)
    server.close()
