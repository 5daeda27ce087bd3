# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables and base chains."""
import socket
import struct

from facts.fact import eventually, expect, expect_hits, expect_refused, fact
from facts.host import (
    HOST,
    arrived,
    base,
    chain,
    count,
    datagrams,
    hardware_address,
    inside,
    link_local,
    neighbour,
    nft,
    output_of,
    put_on_link,
    sysctl,
    table,
    tables_there,
    udp_socket,
)
from facts.netlink import Netlink
from facts.packets import icmpv6, router_advertisement, udp


@fact
def both_tables_are_one_batch():
    """Two tables, ours alone, always changed in one batch (a failure in one undoes both)."""
    good = table(base("input", 0, "accept"))
    bad = table(base("postrouting", 0, "reject"), family="ip6")
    expect_refused("Operation not supported", good + bad)
    expect("tables after the failure", tables_there(), [])
    nft(good)
    expect_refused("Operation not supported", "delete table ip drywall\n" + bad)
    expect("tables after the second failure", tables_there(), [("ip", "drywall")])


@fact
def accept_ends_the_base_chain_only():
    """`accept` of ours ends only the current base chain, `drop` is final. (And so: workload-to-host is a later base
    chain after the workload's egress leg, and every base chain repeats its exemptions.)"""
    neighbour("a", 1)
    nft(
        table(
            base(
                "input",
                -14,
                "udp dport 1000 " + count("first accepts", "accept"),
                "udp dport 1001 drop",
                "udp dport 1002 accept",
            ),
            base("input", -12, "udp dport 1000-1002 " + count("second sees"), "udp dport 1002 drop"),
        )
        + table(base("input", 0, "udp dport 1000 drop"), name="others")
    )
    listening = [udp_socket(HOST, "0.0.0.0", port) for port in (1000, 1001, 1002, 1003)]
    datagrams("a", "10.77.1.1", 1000, 1001, 1002, 1003)
    expect("what nobody drops arrives", arrived(listening[3]), 1)
    expect_hits({"first accepts": 1, "second sees": 2})  # 1000 and 1002; not 1001, which was dropped
    expect("accepted, but then dropped by another table, or chain", [arrived(l, 0) for l in listening[:3]], [0, 0, 0])


@fact
def base_chains_run_by_priority():
    """One base chain for each (hook, leg) that is in use, never two of ours at one (hook, priority): a lower one runs
    first, in whatever order they were made, and pending ones before enforced ones."""
    neighbour("a", 1)
    nft(
        table(*(base("input", priority, f'log prefix "at {priority}" group 9') for priority in (-13, -24, 5, -14, -23)))
    )
    group = Netlink().bind_group(9)
    datagrams("a", "10.77.1.1", 1000)
    order = [message["prefix"] for message in group.logged(5)]
    expect("the order", order, [b"at -24\0", b"at -23\0", b"at -14\0", b"at -13\0", b"at 5\0"])


@fact
def conntrack_is_on_for_the_whole_namespace():
    """Staged-only operation switches conntrack and defragmentation on for the whole network namespace."""
    neighbour("a", 1)
    neighbour("b", 2)

    def entries():
        with open("/proc/sys/net/netfilter/nf_conntrack_count") as file:
            return int(file.read())

    # Fragments leave a hook before prerouting's -400 as they are only if nobody puts them together.
    nft(table(base("prerouting", -350, "ip frag-off & 0x3fff != 0 " + count("fragments")), name="watch"))
    server = udp_socket(HOST, "0.0.0.0", 1000)
    client = udp_socket("b", "0.0.0.0")
    client.sendto(b"x" * 3000, ("10.77.2.1", 1000))
    expect("the datagram arrives", arrived(server), 1)
    expect_hits(fragments=3)
    expect("known connections", entries(), 0)

    nft(table(base("input", -24, 'iifname "if-a" ct state established accept')))  # nothing here is about b
    client.sendto(b"x" * 3000, ("10.77.2.1", 1000))
    expect("the datagram arrives", arrived(server), 1)
    expect_hits(fragments=3)
    expect("known connections", entries(), 1)


@fact
def only_postrouting_knows_where_dnated_output_leaves():
    """n out of DNATed local output: `ct status dnat`, `meta iif 0`; its oif is the true one, OUTPUT's is stale."""
    neighbour("a", 1)
    neighbour("b", 2)
    nft(
        table(
            base("output", -100, "udp dport 1000 dnat to 10.77.2.2", kind="nat"),
            base("prerouting", -100, "udp dport 1001 dnat to 10.77.2.2", kind="nat"),
            name="nat",
        )
        + table(
            base(
                "output",
                -14,
                'oifname "if-a" ct status dnat ' + count("stale at output"),
                'oifname "if-b" ' + count("true at output"),
            ),
            base(
                "postrouting",
                -150,
                'oifname "if-b" ct status dnat iif 0 ' + count("true at postrouting"),
                'oifname "if-a" ' + count("stale at postrouting"),
                "udp dport 1001 ct status dnat iif != 0 " + count("forwarded"),
            ),
        )
    )
    server = udp_socket("b", "0.0.0.0", 1000)
    datagrams(HOST, "10.77.1.2", 1000)
    expect("it arrives at b", arrived(server), 1)
    expect_hits(
        {"stale at output": 1, "true at output": 0, "true at postrouting": 1, "stale at postrouting": 0, "forwarded": 0}
    )
    datagrams("a", "10.77.1.1", 1001)
    expect_hits({"true at postrouting": 1, "forwarded": 1})


@fact
def loopback_is_seen_in_prerouting():
    """Loopback accept (also in raw and mangle prerouting, where `lo` is seen)."""
    for family, address in (("ip", "127.0.0.1"), ("ip6", "::1")):
        nft(
            table(
                base("output", -295, "udp dport 1000 oif lo " + count("output")),
                base("prerouting", -295, "udp dport 1000 iif lo " + count("raw")),
                base("prerouting", -150, "udp dport 1000 iif lo " + count("mangle")),
                base("input", -14, "udp dport 1000 iif lo " + count("input")),
                family=family,
            )
        )
        datagrams(HOST, address, 1000)
        expect_hits(output=1, raw=1, mangle=1, input=1)
        nft(f"delete table {family} drywall")


@fact
def four_legs_at_forward_need_no_mark():
    """Because each leg is its own base chain, Allow is `accept` and no packet mark is needed: four legs at forward give
    the right verdict in every combination."""
    neighbour("a", 1)
    neighbour("b", 2)
    legs = []
    for bit in range(4):  # leg N denies ports 1000 to 1015 whose bit N is set
        denied = ", ".join(str(1000 + n) for n in range(16) if n >> bit & 1)
        legs.append(base("forward", bit - 18, f"udp dport {{ {denied} }} drop", "accept"))
    nft(table(*legs))
    ports = range(1000, 1016)
    servers = [udp_socket("b", "0.0.0.0", port) for port in ports]
    datagrams("a", "10.77.2.2", *reversed(ports))  # the allowed one last
    expect("all legs allow", arrived(servers[0]), 1)
    expect("some leg denies", [arrived(server, 0) for server in servers[1:]], [0] * 15)


@fact
def an_exact_name_conflicts_with_its_prefix():
    """Dispatch by interface: an exact name under a prefix in the same map conflicts, hence no map holds both."""
    nft(table('map names { type ifname : verdict; flags interval; elements = { "cali*" : drop }; }'))
    expect_refused("File exists", 'add element ip drywall names { "cali1" : accept }')
    nft('add element ip drywall names { "tap1" : accept }')


@fact
def an_answer_to_a_multicast_question_is_new():
    """The host's own DHCP clients (udp 68 and 67; udp 546 and 547): replies to multicast solicits are `new`. Of
    broadcasts too."""
    neighbour("a", 1)
    states = [f"udp sport 1000 ct state {state} " + count(state) for state in ("new", "established,related")]
    nft(table(base("input", -13, *states)) + table(base("input", -13, *states), family="ip6"))
    index = socket.if_nametoindex("if-a")
    with inside("a"):
        their_index = socket.if_nametoindex("eth0")
    asker4, server4 = udp_socket(HOST, "0.0.0.0", 1001), udp_socket("a", "0.0.0.0", 1000)
    asker4.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"if-a")
    asker4.sendto(b"?", ("255.255.255.255", 1000))
    asker6, server6 = udp_socket(HOST, "::", 1001), udp_socket("a", "::", 1000)
    server6.setsockopt(
        socket.IPPROTO_IPV6,
        socket.IPV6_JOIN_GROUP,
        socket.inet_pton(socket.AF_INET6, "ff02::1:2") + struct.pack("@I", their_index),
    )
    asker6.sendto(b"?", ("ff02::1:2", 1000, 0, index))
    for server in (server4, server6):
        server.settimeout(3)
        _, asker = server.recvfrom(10)
        server.sendto(b"!", asker)
    expect("answers", (arrived(asker4), arrived(asker6)), (1, 1))
    expect_hits({"new": 2, "established,related": 0})
    asker4.sendto(b"?", ("10.77.1.2", 1000))  # and of an ordinary question the answer is not
    server4.sendto(b"!", server4.recvfrom(10)[1])
    expect_hits({"new": 2, "established,related": 1})


@fact
def icmp_errors_of_untracked_flows_are_invalid():
    """In the untracked bucket ICMP errors (3, 11, 12; v6 1 to 4) are accepted (they are `invalid` and would break path
    MTU discovery)."""
    neighbour("a", 1)
    for family, address, error in (("ip", "10.77.1.2", "icmp type 3"), ("ip6", "fd77:1::2", "icmpv6 type 1")):
        nft(
            table(
                base("output", -295, "udp dport 1000 notrack"),
                base("prerouting", -295, "udp sport 1000 notrack"),
                base(
                    "input",
                    -13,
                    *(f"{error} ct state {state} " + count(f"{family} {state}") for state in ("invalid", "related")),
                ),
                family=family,
            )
        )
        datagrams(HOST, address, 1000)
        expect_hits({f"{family} invalid": 1, f"{family} related": 0})
        datagrams(HOST, address, 1001)
        expect_hits({f"{family} invalid": 1, f"{family} related": 1})


@fact
def neighbour_discovery_is_untracked():
    """ICMPv6 ND, RA and MLD (130 to 136, 143) are no connections: `untracked`, so neither new, established nor
    invalid."""
    neighbour("a", 1)
    types = (130, 131, 132, 133, 134, 135, 136, 143)
    matching = "ip6 saddr fe80::2 icmpv6 type { " + ", ".join(map(str, types)) + " } "
    nft(
        table(
            base(
                "input",
                -13,
                matching + "ct state untracked " + count("untracked"),
                matching + "ct state new,established,related,invalid " + count("others"),
            ),
            family="ip6",
        )
    )
    for kind in types:
        put_on_link("a", "eth0", icmpv6("fe80::2", "ff02::1", kind, bytes(28)), b"\x33\x33\0\0\0\1")
    expect_hits(untracked=len(types), others=0)


@fact
def a_container_can_become_the_router():
    """On the way to the host ICMPv6 130 to 133, 135, 136 (never 134 or 137: a router advertisement from a container
    became the host's default route)."""
    neighbour("a", 1)
    sysctl("net/ipv6/conf/if-a/accept_ra", 2)
    advertisement = router_advertisement(link_local("eth0", "a"), "ff02::1", "fd77:aa::/64")

    def is_router():
        return "proto ra" in output_of("ip", "-6", "route", "show", "default")

    nft(table(base("input", -14, "icmpv6 type 134 " + count("advertised", "drop")), family="ip6"))
    put_on_link("a", "eth0", advertisement, b"\x33\x33\0\0\0\1")
    expect_hits(advertised=1)
    expect("the router, if input drops it", is_router(), False)
    nft("delete table ip6 drywall")
    put_on_link("a", "eth0", advertisement, b"\x33\x33\0\0\0\1")
    expect("the router, if it does not", eventually(is_router), True)


@fact
def the_reverse_path_check_spares_addresses_of_nobody():
    """Anti-spoof (reverse path alone spares 0.0.0.0, `::` and fe80::/10)."""
    neighbour("a", 1)
    neighbour("b", 2)
    for family in ("ip", "ip6"):
        rule = "fib saddr . iif oif missing "
        rules = ["udp dport 1000 " + rule + count(f"{family} spoofed"), "udp dport 1000 " + count(f"{family} all")]
        if family == "ip6":
            rules += [
                "ip6 saddr :: icmpv6 type 135 " + rule + count("unspecified spoofed"),
                "ip6 saddr :: icmpv6 type 135 " + count("unspecified all"),
            ]
        nft(table(base("prerouting", -294, *rules), family=family))
    mine, everybody = hardware_address("if-a"), b"\xff" * 6
    put_on_link("a", "eth0", udp("10.77.2.2", "10.77.1.1", 1, 1000), mine)  # b's
    put_on_link("a", "eth0", udp("10.77.1.2", "10.77.1.1", 1, 1000), mine)
    put_on_link("a", "eth0", udp("0.0.0.0", "255.255.255.255", 68, 1000), everybody)
    expect_hits({"ip all": 3, "ip spoofed": 1})
    put_on_link("a", "eth0", udp("fd77:2::2", "fd77:1::1", 1, 1000), mine)
    put_on_link("a", "eth0", udp("fd77:1::2", "fd77:1::1", 1, 1000), mine)
    put_on_link("a", "eth0", udp("fe80::bad", "fd77:1::1", 1, 1000), mine)
    put_on_link("a", "eth0", icmpv6("::", "ff02::1:ff00:1", 135, bytes(20)), b"\x33\x33\xff\0\0\1")
    expect_hits({"ip6 all": 3, "ip6 spoofed": 1, "unspecified all": 1, "unspecified spoofed": 0})


@fact
def a_reject_must_not_be_reachable_from_postrouting():
    """`reject` is refused by the kernel in chains reachable from postrouting (EOPNOTSUPP, whole batch)."""
    for family in ("ip", "ip6"):
        leaf = chain("leaf", "reject")
        expect_refused(
            "Operation not supported",
            table(leaf, base("input", 0, "goto leaf"), base("postrouting", 0, "goto leaf"), family=family),
        )
        expect("tables", tables_there(), [])
        nft(
            table(
                leaf,
                base("input", 0, "goto leaf"),
                base("output", 0, "goto leaf"),
                base("forward", 0, "goto leaf"),
                family=family,
            )
        )
        nft(f"delete table {family} drywall")


def groups_of_the_host(*groups):
    """A socket that is a member of these, of if-a's link, and sends there."""
    index, first = socket.if_nametoindex("if-a"), groups[0]
    link = udp_socket(HOST, "fd77:1::1" if ":" in first else "10.77.1.1")
    for group in groups:
        if ":" in group:
            member = socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", index)
            link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
            link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        else:
            member = socket.inet_aton(group) + struct.pack("@4si", b"", index)
            link.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    return link


@fact
def own_group_messages_come_back_confirmed():
    """Own multicast looped back: the copy comes in from outside, as it seems, with its connection `new` and confirmed
    already; a packet from outside with the host's own source address (which IPv6 lets in) is not confirmed."""
    neighbour("a", 1)
    for family, groups in (("ip", "239.77.0.1, 10.77.1.255"), ("ip6", "ff02::7777, ff02::1")):
        match = f"udp dport 1000 {family} daddr {{ {groups} }} fib saddr type local ct state new "
        rules = [
            match + "ct status confirmed " + count(f"{family} confirmed"),
            match + "ct status ! confirmed " + count(f"{family} not", "drop"),
        ]
        nft(table(base("input", -13, 'iifname "if-a" jump judge'), chain("judge", *rules), family=family))
    link4, link6 = groups_of_the_host("239.77.0.1"), groups_of_the_host("ff02::7777")
    link4.sendto(b"copy", ("239.77.0.1", 1000))
    link4.sendto(b"copy", ("10.77.1.255", 1000))
    link6.sendto(b"copy", ("ff02::7777", 1000))
    expect_hits({"ip confirmed": 2, "ip not": 0, "ip6 confirmed": 1, "ip6 not": 0})
    for _ in range(3):
        put_on_link("a", "eth0", udp("fd77:1::1", "ff02::1", 4000, 1000), b"\x33\x33\0\0\0\1")
    put_on_link("a", "eth0", udp("10.77.1.1", "10.77.1.255", 4000, 1000), b"\xff" * 6)  # a martian
    expect_hits({"ip6 not": 3, "ip6 confirmed": 1, "ip confirmed": 2, "ip not": 0})


@fact
def own_group_messages_are_known_in_raw_prerouting():
    """The copy brings its connection along, or that it has none, where others have nothing yet: it is `new` or
    `untracked` in raw prerouting too, and the same from outside `invalid`."""
    neighbour("a", 1)
    states = ("invalid", "new", "untracked")
    rules = [f'iifname "if-a" udp dport {{ 1000, 1001 }} ct state {state} ' + count(state) for state in states]
    nft(
        table(
            base("output", -295, "udp dport 1001 notrack"),
            base("prerouting", -295, *rules),
            base("input", -13, "udp dport 1001 fib saddr type local ct state untracked " + count("untracked at input")),
            family="ip6",
        )
    )
    link = groups_of_the_host("ff02::7777")
    link.sendto(b"copy", ("ff02::7777", 1000))
    link.sendto(b"copy", ("ff02::7777", 1001))
    expect_hits({"invalid": 0, "new": 1, "untracked": 1, "untracked at input": 1})
    for port in (1000, 1001):
        put_on_link("a", "eth0", udp("fd77:1::1", "ff02::7777", 4000, port), b"\x33\x33\0\0\x77\x77")
    expect_hits({"invalid": 2, "new": 1, "untracked": 1, "untracked at input": 1})
