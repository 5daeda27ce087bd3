# SPDX-License-Identifier: GPL-2.0-or-later
"""A case's topology, built of network namespaces.

    hosts and externals   their interfaces stand on bridges, one for each network that their addresses are in
    workloads             behind a veth of their host, as Calico has it: /32 and /128 routes, no bridge
    gateways              one that nobody has is a neighbour with a made-up hardware address
"""
import ipaddress
from dataclasses import dataclass, field

import tunnel
from case import NotUnderstood, protocol_of
from namespace import Namespace

NOBODY = "02:00:00:00:00:01"  # the hardware address of gateways that nobody has
WORKLOAD_SIDE = "ee:ee:ee:ee:ee:ee"  # of the host's end of each veth; one for all, as in Calico
GATEWAY4, GATEWAY6 = "169.254.1.1", "fe80::1"  # a workload's next hop: its host


@dataclass
class Node:
    """A host, a workload or an external."""
    name: str
    namespace: Namespace
    interfaces: dict[str, tuple[str, ...]]  # addresses with their prefix lengths
    routes: tuple = ()
    addresses: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.addresses = [str(ipaddress.ip_interface(address).ip) for addresses in self.interfaces.values()
                          for address in addresses]

    def interface_towards(self, gateway):
        for name, addresses in self.interfaces.items():
            if any(ipaddress.ip_address(gateway) in ipaddress.ip_interface(address).network for address in addresses):
                return name
        raise NotUnderstood(f"{self.name}: no interface is in the network of the gateway {gateway}")


@dataclass
class Network:
    nodes: dict[str, Node]
    hosts: list[str]

    def address_of(self, destination, asker):
        """Of a node: its first address of a family that the asker has too. An address is its own."""
        if destination not in self.nodes:
            try:
                return str(ipaddress.ip_address(destination))
            except ValueError:
                raise NotUnderstood(f"{destination!r} is neither a name of the topology nor an address") from None
        for address in self.nodes[destination].addresses:
            if any((":" in own) == (":" in address) for own in self.nodes[asker].addresses):
                return address
        raise NotUnderstood(f"{asker} and {destination} have no addresses of one family")


def build(topology):
    """Everything but what the hosts' own firewalls drop: see drop_by_default()."""
    nodes = {}
    for host in topology.hosts:
        interfaces = {interface.name: interface.addresses for interface in host.interfaces}
        nodes[host.name] = Node(host.name, bare_namespace(host.ip_forward), interfaces, host.routes)
    for external in topology.externals:
        nodes[external.name] = Node(external.name, bare_namespace(False), {"eth0": external.addresses}, external.routes)
    join_on_bridges([*nodes.values()])
    for workload in topology.workloads:
        node = Node(workload.name, bare_namespace(False), {"eth0": workload.addresses})
        attach_workload(nodes[workload.host].namespace, node, workload.interface)
        nodes[workload.name] = node
    network = Network(nodes, [host.name for host in topology.hosts])
    add_routes(network, tunnel.build(topology, network))
    for nat in topology.dnat:
        translate_destination(nodes[nat.host].namespace, nat)
    return network


def bare_namespace(forwards):
    namespace = Namespace()
    namespace.sysctl(
        ipv4__conf__all__rp_filter=0, ipv4__conf__default__rp_filter=0,  # what is prevented, the product prevents
        ipv6__conf__all__accept_dad=0, ipv6__conf__default__accept_dad=0,  # addresses are usable at once
        ipv4__ip_forward=int(forwards), ipv6__conf__all__forwarding=int(forwards))
    namespace.ip("link set lo up")
    return namespace


# --- links --------------------------------------------------------------------------------------------------------------


def join_on_bridges(nodes):
    wire = Namespace()
    # The bridges only forward: addresses of their own would be one more neighbour on each.
    wire.sysctl(ipv6__conf__all__disable_ipv6=1, ipv6__conf__default__disable_ipv6=1)
    plugs = 0
    for number, members in enumerate(networks(nodes)):
        lines = [f"link add bridge{number} type bridge mcast_snooping 0", f"link set bridge{number} up"]
        for node, interface in members:
            plugs += 1
            lines += [f"link add plug{plugs} type veth peer name {interface} netns {node.namespace.path()}",
                      f"link set plug{plugs} master bridge{number} up"]
        wire.ip(*lines)
    for node in nodes:
        for interface, addresses in node.interfaces.items():
            node.namespace.ip(*(add_address(address, interface) for address in addresses), f"link set {interface} up")


def networks(nodes):
    """Groups of (node, interface) whose addresses are in one network. One interface can join two networks."""
    groups = []  # (networks, members)
    for node in nodes:
        for interface, addresses in node.interfaces.items():
            group = ({ipaddress.ip_interface(address).network for address in addresses}, [(node, interface)])
            for other in [other for other in groups if other[0] & group[0]]:
                groups.remove(other)
                group = (group[0] | other[0], other[1] + group[1])
            groups.append(group)
    return [members for _, members in groups]


def add_address(address, interface):
    return f"addr add {address} dev {interface}" + (" nodad" if ":" in address else "")


def attach_workload(host, workload, interface):
    host.ip(f"link add {interface} address {WORKLOAD_SIDE} type veth peer name eth0 netns {workload.namespace.path()}",
            f"link set {interface} up", add_address(f"{GATEWAY6}/64", interface),
            *(f"route add {address} dev {interface}" for address in workload.addresses))
    lines = [add_address(address, "eth0") for address in workload.interfaces["eth0"]] + ["link set eth0 up"]
    if any(":" not in address for address in workload.addresses):
        lines += [f"route add {GATEWAY4} dev eth0 scope link", f"route add default via {GATEWAY4} dev eth0",
                  f"neigh add {GATEWAY4} lladdr {WORKLOAD_SIDE} dev eth0 nud permanent"]
    if any(":" in address for address in workload.addresses):
        lines += [f"route add default via {GATEWAY6} dev eth0"]
    workload.namespace.ip(*lines)


def add_routes(network, tunnelled):
    """`tunnelled`: (host, gateway) of the routes that a tunnel has taken."""
    somebodys = {address for node in network.nodes.values() for address in node.addresses}
    for node in network.nodes.values():
        lines = []
        for route in node.routes:
            if (node.name, route.via) in tunnelled and route.to != "default":
                continue
            device = route.dev or (node.interface_towards(route.via) if route.via else None)
            if device is None:
                raise NotUnderstood(f"{node.name}: the route to {route.to} has neither a gateway nor an interface")
            if route.via and route.via not in somebodys:
                lines.append(f"neigh replace {route.via} lladdr {NOBODY} dev {device} nud permanent")
            via = f"via {route.via} " if route.via else ""
            lines.append(f"route replace {route.to} {via}dev {device}")
        node.namespace.ip(*lines)


# --- the hosts' own tables ----------------------------------------------------------------------------------------------


def translate_destination(host, nat):
    family = "ip6" if ":" in nat.dst else "ip"
    protocol = protocol_of(nat)
    hook = nat.hook.lower()
    match = f"meta l4proto {protocol}" if nat.dport is None else f"{protocol} dport {nat.dport}"
    host.nft(f"""
        table {family} host_nat {{
          chain {hook} {{
            type nat hook {hook} priority -100;
            {family} daddr {nat.dst} {match} dnat to {nat.to}
          }}
        }}""")


def drop_by_default(host, topology):
    """What `iptables -P INPUT DROP` and `-P FORWARD DROP` do, but that IPv6 still finds its neighbours."""
    for hook, policy in (("input", topology.host_input_policy), ("forward", topology.host_forward_policy)):
        if policy == "DROP":
            host.nft(f"""
                table inet host_filter {{
                  chain {hook} {{
                    type filter hook {hook} priority 0; policy drop;
                    icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
                  }}
                }}""")
