# SPDX-License-Identifier: GPL-2.0-or-later
"""Fast and safe matches."""
import struct

from facts.fact import expect_hits, fact
from facts.host import base, count, hardware_address, neighbour, nft, put_on_link, table
from facts.packets import echo_request, udp


@fact
def an_extension_header_hides_from_nexthdr():
    """The protocol is always `meta l4proto`, never `ip6 nexthdr`: an extension header evades it."""
    neighbour("a", 1)
    nft(
        table(
            base(
                "input",
                -13,
                "ip6 nexthdr udp @th,16,16 1000 " + count("nexthdr"),
                "meta l4proto udp @th,16,16 1000 " + count("l4proto"),
            ),
            family="ip6",
        )
    )
    mine = hardware_address("if-a")
    put_on_link("a", "eth0", udp("fd77:1::2", "fd77:1::1", 5000, 1000), mine)
    expect_hits(nexthdr=1, l4proto=1)
    padding = bytes([0, 1, 4, 0, 0, 0, 0])
    put_on_link("a", "eth0", udp("fd77:1::2", "fd77:1::1", 5000, 1000, extension=padding), mine)
    expect_hits(nexthdr=1, l4proto=2)


@fact
def a_bare_port_matches_a_checksum():
    """Every transport load stands under a protocol match or key: a bare `th dport` matched an ICMP checksum."""
    neighbour("a", 1)
    request = echo_request("10.77.1.2", "10.77.1.1")
    checksum = struct.unpack_from("!H", request, 22)[0]
    nft(
        table(
            base(
                "input",
                -13,
                f"@th,16,16 {checksum} " + count("bare"),
                f"meta l4proto {{ tcp, udp }} @th,16,16 {checksum} " + count("under a protocol"),
            )
        )
    )
    put_on_link("a", "eth0", request, hardware_address("if-a"))
    expect_hits({"bare": 1, "under a protocol": 0})
