# SPDX-License-Identifier: GPL-2.0-or-later
"""Tiers, Pass, depth."""
from facts.fact import expect, expect_hits, expect_refused, fact
from facts.host import base, chain, count, datagrams, neighbour, nft, table, tables_there


@fact
def pass_returns_to_the_next_tier():
    """Pass is a leaf reached by `goto` that ends without verdict: the packet returns to the caller of the tier chain,
    which is the next tier. 60 tiers load at depth 4."""
    neighbour("a", 1)
    tiers = [chain(f"tier{n}", "goto passed", count("rest of a tier")) for n in range(60)]
    jumps = [f"jump tier{n}" for n in range(60)]
    nft(
        table(
            chain("passed", count("passed")),
            *tiers,
            chain("endpoint", *jumps, count("behind all tiers")),
            base("input", -13, "udp dport 1000 goto endpoint"),
        )
    )
    datagrams("a", "10.77.1.1", 1000)
    expect_hits({"passed": 60, "rest of a tier": 0, "behind all tiers": 1})


@fact
def pass_in_a_jumped_policy_stays_in_its_tier():
    """A policy with Pass is rendered inside the tier chain, because from a jumped policy chain its Pass would return
    into the same tier."""
    neighbour("a", 1)
    nft(
        table(
            chain("passed", count("passed")),
            chain("own_chain", "goto passed"),
            chain("tier", "jump own_chain", count("rest of the tier")),
            base("input", -13, "udp dport 1000 jump tier"),
        )
    )
    datagrams("a", "10.77.1.1", 1000)
    expect_hits({"passed": 1, "rest of the tier": 1})


@fact
def fifteen_chains_nest():
    """The kernel counts jump and goto alike, through map elements too: 15 nested chains load, 16 are refused with
    EMLINK, the whole batch with them."""
    ways = {"jump": "jump {}", "goto": "goto {}", "a map": "udp dport vmap {{ 1000 : jump {0}, 1001 : goto {0} }}"}

    def nested(way, number):
        chains = [chain(f"c{number}", count("innermost"))]
        chains += [chain(f"c{n}", way.format(f"c{n + 1}")) for n in reversed(range(1, number))]
        return table(*chains, base("input", -13, way.format("c1")))

    neighbour("a", 1)
    for way in ways.values():
        expect_refused("Too many links", nested(way, 16))
        expect("tables after the refusal", tables_there(), [])
        nft(nested(way, 15))
        datagrams("a", "10.77.1.1", 1000)
        expect_hits(innermost=1)
        nft("delete table ip drywall")


@fact
def a_jump_from_a_map_returns_behind_the_map():
    """A verdict map never mixes `jump` and `goto` values; a Log rule ends a run before and after it (a jump to a Log
    leaf returns behind the whole map, skipping the run's later rules)."""
    neighbour("a", 1)
    nft(
        table(
            chain("log_leaf", count("logged")),
            chain("other_leaf", count("other")),
            # The run: log 1000; then something for 1000, which as an element would be a second one with the same key.
            chain(
                "tier",
                "udp dport vmap { 1000 : jump log_leaf, 1001 : goto other_leaf }",
                "udp dport 1000-1001 " + count("behind the map"),
            ),
            base("input", -13, "udp dport 1000-1001 jump tier", "udp dport 1000-1001 " + count("next tier")),
        )
    )
    datagrams("a", "10.77.1.1", 1000, 1001)
    expect_hits({"logged": 1, "other": 1, "behind the map": 1, "next tier": 2})
    # One key holds one verdict: what a later rule of the run says about it has no place in the map.
    nft(table("map run { type inet_service : verdict; elements = { 1000 : jump log_leaf }; }"))
    expect_refused("File exists", "add element ip drywall run { 1000 : goto other_leaf }")
