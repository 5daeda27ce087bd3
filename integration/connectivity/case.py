# SPDX-License-Identifier: GPL-2.0-or-later
"""A case of host-connectivity.json as values. What these do not know is an error, never left out: the format is
described in tests/conformance/INDEX.md."""
import dataclasses
import typing
from dataclasses import dataclass
from typing import Any, Literal, Optional, Union

PROTOCOL_NUMBERS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"}
WITH_PORTS = {"tcp", "udp", "sctp"}


class NotUnderstood(Exception):
    """The file says something that this program does not know, or leaves out what it must say."""


@dataclass(frozen=True)
class Interface:
    name: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Route:
    to: str
    via: Optional[str] = None
    dev: Optional[str] = None


@dataclass(frozen=True)
class Host:
    name: str
    node: str
    interfaces: tuple[Interface, ...]
    routes: tuple[Route, ...] = ()
    runs_product: bool = True
    ip_forward: bool = True


@dataclass(frozen=True)
class NamedPort:
    name: str
    protocol: Union[str, int]
    port: int


@dataclass(frozen=True)
class Workload:
    """Only the first four say what to build; the rest repeats its WorkloadEndpoint, which stands in the documents."""
    name: str
    host: str
    interface: str
    addresses: tuple[str, ...]
    namespace: Optional[str] = None
    labels: Optional[dict] = None
    profiles: Optional[tuple[str, ...]] = None
    ports: tuple[NamedPort, ...] = ()
    managed: bool = True


@dataclass(frozen=True)
class External:
    name: str
    addresses: tuple[str, ...]
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True)
class Listener:
    on: str
    protocol: Union[str, int]
    port: Optional[int] = None  # none: it answers every packet of a protocol without ports


@dataclass(frozen=True)
class DestinationNat:
    host: str
    hook: Literal["PREROUTING", "OUTPUT"]
    protocol: Union[str, int]
    dst: str
    to: str
    dport: Optional[int] = None


@dataclass(frozen=True)
class Topology:
    hosts: tuple[Host, ...]
    workloads: tuple[Workload, ...] = ()
    externals: tuple[External, ...] = ()
    listeners: tuple[Listener, ...] = ()
    dnat: tuple[DestinationNat, ...] = ()
    host_input_policy: Literal["ACCEPT", "DROP"] = "ACCEPT"
    host_forward_policy: Literal["ACCEPT", "DROP"] = "ACCEPT"
    tunnel: Literal["none", "vxlan", "ipip"] = "none"


@dataclass(frozen=True)
class Expectation:
    from_: str
    to: str
    protocol: Union[str, int]
    reach: bool
    port: Optional[int] = None
    from_port: Optional[int] = None
    spoof_source: Optional[str] = None
    reach_host0_only: Optional[bool] = None
    calico_nft_skips: bool = False
    notes: Any = None

    def __str__(self):
        extra = f" from port {self.from_port}" if self.from_port is not None else ""
        extra += f" with the address of {self.spoof_source}" if self.spoof_source is not None else ""
        port = f" {self.port}" if self.port is not None else ""
        return f"{self.from_} -> {self.to} {self.protocol}{port}{extra}"


@dataclass(frozen=True)
class Identity:
    kind: str
    name: str
    namespace: Optional[str] = None


@dataclass(frozen=True)
class Step:
    expect: tuple[Expectation, ...]
    apply: tuple[dict, ...] = ()
    delete: tuple[Identity, ...] = ()
    name: Optional[str] = None
    notes: Any = None


# What a case may require. All of it is built here; iptables-accept-is-final alone cannot hold (see trial.py).
Requirement = Literal["preDNAT", "dnat", "doNotTrack", "raw-ip", "sctp", "vxlan", "ipip", "anti-spoof",
                      "iptables-accept-is-final"]


@dataclass(frozen=True)
class Case:
    id: str
    topology: Topology
    documents: tuple[dict, ...]
    steps: tuple[Step, ...]
    feature: str = ""
    source: str = ""
    name: Optional[str] = None
    requires: tuple[Requirement, ...] = ()
    config: Optional[dict] = None  # the spec of the FelixConfiguration
    notes: Any = None


def read_case(value):
    case = read(Case, value, "case")
    names = names_of(case.topology)
    for step in case.steps:
        for expectation in step.expect:
            must_be_probeable(expectation, names)
    for listener in case.topology.listeners:
        must_be_known(listener.on, names, "listener")
    for workload in case.topology.workloads:
        must_be_known(workload.host, {host.name for host in case.topology.hosts}, f"workload {workload.name}")
    for nat in case.topology.dnat:
        must_be_known(nat.host, {host.name for host in case.topology.hosts}, "dnat")
    return case


def names_of(topology):
    nodes = [node.name for node in (*topology.hosts, *topology.workloads, *topology.externals)]
    if len(set(nodes)) < len(nodes):
        raise NotUnderstood("topology: two nodes have one name")
    return set(nodes)


def must_be_known(name, names, where):
    if name not in names:
        raise NotUnderstood(f"{where}: nothing is named {name!r}")


def must_be_probeable(expectation, names):
    must_be_known(expectation.from_, names, str(expectation))
    if expectation.spoof_source is not None:
        must_be_known(expectation.spoof_source, names, str(expectation))
    protocol = protocol_of(expectation)
    if (protocol in WITH_PORTS) != (expectation.port is not None):
        raise NotUnderstood(f"{expectation}: a port goes with tcp, udp and sctp, and with nothing else")
    if expectation.from_port is not None and protocol not in WITH_PORTS:
        raise NotUnderstood(f"{expectation}: from_port goes with tcp, udp and sctp")
    if expectation.spoof_source is not None and protocol in ("icmp", "icmpv6"):
        raise NotUnderstood(f"{expectation}: this program spoofs no ICMP")


def protocol_of(value):
    """A word for those with ports and for ICMP, else a number."""
    protocol = value.protocol
    if isinstance(protocol, str) and protocol.isdigit():
        protocol = int(protocol)
    if isinstance(protocol, str):
        protocol = protocol.lower()
        if protocol not in PROTOCOL_NUMBERS.values():
            raise NotUnderstood(f"protocol {value.protocol!r}")
        return protocol
    if not 0 <= protocol <= 255:
        raise NotUnderstood(f"protocol {protocol}")
    return PROTOCOL_NUMBERS.get(protocol, protocol)


# --- reading ------------------------------------------------------------------------------------------------------------


def read(kind, value, where):
    """`value`, as JSON has it, as a `kind`: one of the types above, or what their fields are annotated with."""
    if kind is Any:
        return value
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return read_fields(kind, value, where)
    if origin is tuple:
        must(isinstance(value, list), value, "a list", where)
        return tuple(read(arguments[0], item, f"{where}[{number}]") for number, item in enumerate(value))
    if origin is Literal:
        must(value in arguments, value, "one of " + ", ".join(map(str, arguments)), where)
        return value
    if origin is Union:
        return read_one_of(arguments, value, where)
    # JSON's true is no number, though Python's is.
    must(isinstance(value, kind) and (kind is bool or not isinstance(value, bool)), value, kind.__name__, where)
    return value


def read_one_of(kinds, value, where):
    if value is None and type(None) in kinds:
        return None
    complaints = []
    for kind in kinds:
        if kind is type(None):
            continue
        try:
            return read(kind, value, where)
        except NotUnderstood as complaint:
            complaints.append(str(complaint))
    raise NotUnderstood(complaints[0])


def read_fields(kind, value, where):
    must(isinstance(value, dict), value, "an object", where)
    hints = typing.get_type_hints(kind)
    fields = {field.name.rstrip("_"): field for field in dataclasses.fields(kind)}
    for key in value:
        if key not in fields:
            raise NotUnderstood(f"{where}.{key}: this field is not known")
    read_values = {}
    for key, field in fields.items():
        if key in value:
            read_values[field.name] = read(hints[field.name], value[key], f"{where}.{key}")
        elif field.default is dataclasses.MISSING:
            raise NotUnderstood(f"{where}.{key} is missing")
    return kind(**read_values)


def must(holds, value, expected, where):
    if not holds:
        raise NotUnderstood(f"{where}: expected {expected}, found {value!r}")
