# SPDX-License-Identifier: GPL-2.0-or-later
"""Changing it."""
import errno
import subprocess

from facts.fact import Skipped, eventually, expect, expect_error, expect_hits, expect_refused, fact
from facts.host import (
    HOST,
    arrived,
    base,
    chain,
    count,
    datagrams,
    listing,
    neighbour,
    nft,
    table,
    tables_there,
    udp_socket,
)
from facts.netlink import KernelError, Netlink, OWNER, PERSIST


MAP = "map dispatch { type inet_service : verdict; elements = { 1000 : goto one }; }"


def dispatching_table():
    return table(
        chain("one", count("one")), chain("two", count("two")), MAP, base("input", -13, "udp dport vmap @dispatch")
    )


@fact
def elements_go_before_their_chains():
    """In one batch: map elements before the chains they point to (else EBUSY)."""
    nft(dispatching_table())
    gone = "flush chain ip drywall one\ndelete chain ip drywall one\n"
    expect_refused("Device or resource busy", gone + "delete element ip drywall dispatch { 1000 : goto one }\n")
    nft("delete element ip drywall dispatch { 1000 : goto one }\n" + gone)


@fact
def a_changed_verdict_is_delete_and_add():
    """A changed verdict of an element is delete plus add (EEXIST otherwise)."""
    neighbour("a", 1)
    nft(dispatching_table())
    expect_refused("File exists", "add element ip drywall dispatch { 1000 : goto two }")
    nft("delete element ip drywall dispatch { 1000 : goto one }\nadd element ip drywall dispatch { 1000 : goto two }")
    datagrams("a", "10.77.1.1", 1000)
    expect_hits(one=0, two=1)


@fact
def a_changed_set_is_made_anew_below_its_rules():
    """A set's type or flags change: flush the using rules, delete, add, add rules."""
    nft(
        table(
            "set s { type ipv4_addr; elements = { 10.0.0.1 }; }",
            chain("user", "ip saddr @s drop"),
            base("input", -13, "jump user"),
        )
    )
    anew = (
        "delete set ip drywall s\nadd set ip drywall s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 } }\n"
    )
    expect_refused("File exists", "add set ip drywall s { type ipv4_addr; flags interval; }")
    expect_refused("Device or resource busy", anew)
    nft("flush chain ip drywall user\n" + anew + "add rule ip drywall user ip saddr @s drop\n")


@fact
def a_changed_priority_is_delete_and_add():
    """A base chain's priority: delete plus add (in place is refused)."""
    nft(table(base("input", -13, "accept")))
    other = "add chain ip drywall input_minus_13 { type filter hook input priority -14; policy accept; }"
    expect_refused("", other)
    nft("delete chain ip drywall input_minus_13\n" + other)
    priorities = [item["chain"]["prio"] for item in listing("chains") if "chain" in item]
    expect("priorities", priorities, [-14])


@fact
def a_chain_can_be_replaced_by_its_namesake():
    """A same-named chain may be deleted, re-created and re-pointed in one batch."""
    neighbour("a", 1)
    nft(dispatching_table())
    nft(
        "delete element ip drywall dispatch { 1000 : goto one }\n"
        "flush chain ip drywall one\n"
        "delete chain ip drywall one\n"
        "add chain ip drywall one\n"
        "add rule ip drywall one " + count("new one") + "\n"
        "add element ip drywall dispatch { 1000 : goto one }\n"
    )
    datagrams("a", "10.77.1.1", 1000)
    expect_hits({"new one": 1})


@fact
def a_table_is_replaced_in_one_batch():
    """Tables always replaced in one batch: no packet between the old and the new generation meets no rule."""
    neighbour("a", 1)
    generation = "add table ip drywall\ndelete table ip drywall\n" + table(base("input", -13, "udp dport 1000 drop"))
    nft(generation)
    server, client = udp_socket(HOST, "0.0.0.0", 1000), udp_socket("a", "0.0.0.0")
    for _ in range(20):
        changing = subprocess.Popen(["nft", "-f", "-"], stdin=subprocess.PIPE, text=True)
        changing.stdin.write(generation)
        changing.stdin.close()
        while changing.poll() is None:
            for _ in range(100):
                client.sendto(b"x", ("10.77.1.1", 1000))
    expect("datagrams that slipped through", arrived(server, 0), 0)
    nft("delete table ip drywall")
    client.sendto(b"x", ("10.77.1.1", 1000))
    expect("datagrams without the table", arrived(server), 1)


@fact
def a_stale_generation_is_refused():
    """The generation id says only that something, anywhere, changed: other programs move it constantly, and a batch
    that carries a stale one is refused with ERESTART."""
    link = Netlink()
    before = link.generation()
    nft("table ip somebody_elses {}")
    after = link.generation()
    expect("the generation has moved", after != before, True)
    expect_error(errno.ERESTART, Netlink().new_table, "drywall", generation=before)
    expect("tables", tables_there(), [("ip", "somebody_elses")])
    Netlink().new_table("drywall", generation=after)
    Netlink().new_table("drywall2")


@fact
def owner_and_persist_outlast_a_flush():
    """Owner and persist: both together survive others' `flush ruleset` and refuse foreign changes (EPERM); after the
    owner's exit the rules stay, writable and flushable by anyone; re-adoption needs a table created with PERSIST; OWNER
    alone vanishes with the socket and is never used."""
    owner = Netlink()
    try:
        owner.new_table("both", OWNER | PERSIST)
    except KernelError as error:
        raise Skipped(f"this kernel knows no persistent tables ({error})") from None
    nft("table ip plain {}")
    nft("flush ruleset")
    expect("tables after a flush", tables_there(), [("ip", "both")])
    expect_refused("Operation not permitted", "add chain ip both c")
    owner.close()
    expect("tables after the owner's exit", tables_there(), [("ip", "both")])
    nft("add chain ip both c")
    adopter = Netlink()
    adopter.new_table("both", OWNER | PERSIST)
    expect_refused("Operation not permitted", "add chain ip both d")
    adopter.close()
    nft("flush ruleset")
    expect("tables after a flush of the orphan", tables_there(), [])

    nft("table ip plain {}")
    expect_error(errno.EOPNOTSUPP, Netlink().new_table, "plain", OWNER | PERSIST)
    alone = Netlink()
    alone.new_table("alone", OWNER)
    alone.close()
    expect("OWNER alone has gone", eventually(lambda: ("ip", "alone") not in tables_there()), True)
