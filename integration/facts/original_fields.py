# SPDX-License-Identifier: GPL-2.0-or-later
"""Passing "already allowed" to later hooks without a mark."""
from facts.fact import expect, expect_hits, fact
from facts.host import (
    base,
    connected,
    count,
    datagrams,
    hardware_address,
    hits,
    listener,
    neighbour,
    nft,
    put_on_link,
    table,
)
from facts.packets import echo_request, udp


@fact
def the_original_fields_are_exact_for_a_new_connection():
    """A silent re-run of that bucket at the head of the legs it can skip, on `ct original` fields under `ct state new
    ct direction original` (exact for TCP, UDP, ICMP type and code, interface; without the gate replies and returning
    ICMP errors match too)."""
    neighbour("a", 1)
    neighbour("b", 2)
    echo_type_and_code = 8 << 8 | 0
    gate = 'ct state new ct direction original iifname "if-a" '
    fields = {
        "tcp": "meta l4proto tcp ct original ip daddr 10.77.1.1 ct original proto-dst 80 ",
        "udp": "meta l4proto udp ct original ip daddr 10.77.1.1 ct original proto-dst 81 ",
        "icmp": f"meta l4proto icmp ct original ip daddr 10.77.1.1 ct original proto-dst {echo_type_and_code} ",
    }
    rewritten = "meta l4proto { tcp, udp } ct original proto-dst { 8080, 8081 } "
    returning = 'iifname "if-b" '
    rules = [gate + match + count(f"{protocol} exact") for protocol, match in fields.items()]
    rules += [gate + rewritten + count("rewritten")]
    rules += [
        returning + fields["tcp"] + count("tcp reply, no gate"),
        returning + "meta l4proto icmp ct original proto-dst 81 " + count("error, no gate"),
    ]
    rules += [returning + "ct state new ct direction original " + count("returning, gate")]
    nft(
        table(
            base(
                "prerouting",
                -100,
                'iifname "if-a" tcp dport 80 dnat to 10.77.2.2:8080',
                'iifname "if-a" udp dport 81 dnat to 10.77.2.2:8081',
                'iifname "if-a" ip daddr 10.77.1.1 meta l4proto icmp dnat to 10.77.2.2',
                kind="nat",
            ),
            name="nat",
        )
        + table(base("forward", -18, *rules))
    )
    server = listener("b", "0.0.0.0", 8080)
    client = connected("a", "10.77.1.1", 80)
    expect("the connection", client is not None, True)
    datagrams("a", "10.77.1.1", 81)  # nobody listens there: an error comes back
    put_on_link("a", "eth0", echo_request("10.77.1.2", "10.77.1.1"), hardware_address("if-a"))
    expect_hits(
        {"tcp exact": 1, "udp exact": 1, "icmp exact": 1, "rewritten": 0, "error, no gate": 1, "returning, gate": 0}
    )
    expect("replies that match without the gate", hits("tcp reply, no gate") > 0, True)
    server.close()


@fact
def untracked_packets_have_no_original_fields():
    """On the packet's own header under `ct state untracked`: `ct original`, `ct status` and `ct direction` match
    nothing there."""
    neighbour("a", 1)
    nft(
        table(
            base("prerouting", -295, "udp dport 1000 notrack"),
            base(
                "input",
                -13,
                "udp dport 1000 ct state untracked " + count("untracked"),
                "udp dport 1000 ct original proto-dst 1000 " + count("original"),
                "udp dport 1000 ct direction original " + count("direction"),
                "udp dport 1000 ct status ! confirmed " + count("not confirmed"),
            ),
        )
    )
    datagrams("a", "10.77.1.1", 1000)
    expect_hits({"untracked": 1, "original": 0, "direction": 0, "not confirmed": 0})
