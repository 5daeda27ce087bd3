# SPDX-License-Identifier: GPL-2.0-or-later
"""What carries packets between workloads of different hosts, if the topology says so: the routes that lead over another
host then lead into a device. VXLAN is the kernel's; IPIP is made here, since many kernels leave it out."""
import asyncio
import contextlib
import fcntl
import ipaddress
import os
import socket
import struct

import packet
from case import NotUnderstood

VXLAN, IPIP = "vxlan.calico", "ipip0"
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000


def build(topology, network):
    """Returns the (host, gateway) of the routes that it has taken over."""
    if topology.tunnel == "none":
        return set()
    ends = {host.name: number for number, host in enumerate(topology.hosts, start=1)}
    owner = {address: name for name in ends for address in network.nodes[name].addresses}
    taken = set()
    for host in topology.hosts:
        routes = [(route.to, owner[route.via], route.via) for route in host.routes
                  if route.via in owner and route.to != "default"]
        lay = {"vxlan": lay_vxlan, "ipip": lay_ipip}[topology.tunnel]
        lay(network.nodes[host.name], ends, routes)
        taken |= {(host.name, via) for _, _, via in routes}
    return taken


def inner_address(number, family):
    return f"198.18.0.{number}" if family == socket.AF_INET else f"fd00:18::{number}"


def hardware_address(number):
    return f"66:00:00:00:00:{number:02x}"


# --- VXLAN --------------------------------------------------------------------------------------------------------------


def lay_vxlan(host, ends, routes):
    number = ends[host.name]
    local = host.addresses[0]
    kind = f"vxlan id 4096 dstport 4789 local {local} nolearning"
    lines = [f"link add {VXLAN} address {hardware_address(number)} type {kind}",
             f"addr add {inner_address(number, socket.AF_INET)}/32 dev {VXLAN}",
             f"addr add {inner_address(number, socket.AF_INET6)}/128 dev {VXLAN} nodad", f"link set {VXLAN} up"]
    forwarding = set()
    for to, other, via in routes:
        gateway = inner_address(ends[other], packet.family_of(to))
        lines += [f"neigh replace {gateway} lladdr {hardware_address(ends[other])} dev {VXLAN} nud permanent",
                  f"route replace {to} via {gateway} dev {VXLAN} onlink"]
        forwarding.add(f"fdb replace {hardware_address(ends[other])} dev {VXLAN} dst {via}\n")
    host.namespace.ip(*lines)
    host.namespace.run("bridge", "-batch", "-", text="".join(forwarding))


# --- IPIP ---------------------------------------------------------------------------------------------------------------


def lay_ipip(host, ends, routes):
    """The outer packets are of a raw socket, so they meet the same hooks as those of the kernel's own device."""
    if any(":" in to for to, _, _ in routes):
        raise NotUnderstood("an ipip tunnel carries no IPv6")
    with host.namespace.entered():
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", IPIP.encode(), IFF_TUN | IFF_NO_PI))
    inside = inner_address(ends[host.name], socket.AF_INET)
    host.namespace.ip(f"addr add {inside}/32 dev {IPIP}", f"link set {IPIP} up",
                      *(f"route replace {to} dev {IPIP}" for to, _, _ in routes))
    outside = host.namespace.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IPIP)
    remotes = {ipaddress.ip_network(to): via for to, _, via in routes}
    loop = asyncio.get_running_loop()
    loop.add_reader(device, wrap, device, outside, remotes)
    loop.add_reader(outside, unwrap, device, outside)


def wrap(device, outside, remotes):
    inner = os.read(device, 65535)
    parts = packet.split_ip(inner)
    if parts is None:
        return
    for network, remote in remotes.items():
        if ipaddress.ip_address(parts[1]) in network:
            with contextlib.suppress(OSError):  # the host's policy drops it
                outside.sendto(inner, (remote, 0))
            return


def unwrap(device, outside):
    with contextlib.suppress(OSError):
        os.write(device, packet.without_ip_header(socket.AF_INET, outside.recv(65535)))
