# SPDX-License-Identifier: GPL-2.0-or-later
"""A case of a flow-traces file: its topology, the connections to open, and the records to find of them. Documents, their
adaptation and the notation of traces are those of tests/conformance/run."""
import importlib.machinery
import importlib.util
import pathlib
from dataclasses import dataclass
from typing import Optional

from case import (Case, DestinationNat, Expectation, Host, Interface, Listener, NotUnderstood, Route, Step, Topology,
                  Workload)

RUNNER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "conformance" / "run"


def load_runner():
    loader = importlib.machinery.SourceFileLoader("conformance", str(RUNNER))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("conformance", loader))
    loader.exec_module(module)
    return module


conformance = load_runner()
Skip = conformance.Skip

# The data name the service's address and port; whom it stands for is written in tests/conformance/INDEX.md.
SERVICES = {"10.101.0.10": "ep2-1"}


@dataclass(frozen=True)
class End:
    """A workload as its host's records know it."""
    host: str
    namespace: str
    name: str


@dataclass(frozen=True)
class ExpectedRecord:
    source: End
    destination: End
    reporter: str
    protocol: str
    port: Optional[int]
    action: Optional[str] = None  # none: there must be no such record
    enforced: Optional[tuple[str, ...]] = None
    pending: Optional[tuple[str, ...]] = None  # none: the case does not say

    @property
    def host(self):
        return (self.source if self.reporter == "src" else self.destination).host

    def __str__(self):
        port = "" if self.port is None else f" {self.port}"
        return f"{self.source.name} -> {self.destination.name} {self.protocol}{port} reported by {self.reporter}"


@dataclass(frozen=True)
class FlowCase(Case):
    records: tuple[ExpectedRecord, ...] = ()
    renamed: tuple = ()  # ((kind, name here), name in the traces of the case)


def expectations_in(value):
    return len(value.get("connectivity", [])) + len(value.get("flows") or [])


def read_case(value, header):
    try:
        documents, renamed = conformance.flow_documents(value, header)
        endpoints = conformance.flow_endpoints(value, documents)
        connections = connections_of(value)
        return FlowCase(id=value["id"], topology=topology_of(value, endpoints, connections),
                        documents=(*endpoints, *documents), steps=(Step(expect=connections),),
                        feature=value["feature"], source=value["source"], records=records_of(value, endpoints),
                        renamed=tuple(renamed.items()))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotUnderstood(f"{type(error).__name__}: {error}") from error


# --- connections --------------------------------------------------------------------------------------------------------


def connections_of(value):
    """Those that the case says something of; all that it expects to find in records are among them."""
    workloads = {workload["name"]: workload for workload in value["workloads"]}
    made = []
    for row in value["connectivity"]:
        to = row["to"].removeprefix("ip:")
        target = workloads[target_of(row["to"])]
        port = row.get("port", conformance.flow_ports(target)[0])
        made.append(Expectation(from_=row["from"], to=to, protocol=protocol_of(target), reach=row["allowed"],
                                port=port if has_ports(protocol_of(target)) else None))
    known = {(made.from_, made.to, made.protocol, made.port) for made in made}
    for key in dict.fromkeys(key_of(flow) for flow in value.get("flows") or []):
        if key not in known:
            actions = [flow["action"] for flow in value["flows"] if key_of(flow) == key]
            made.append(Expectation(*key[:3], reach="deny" not in actions, port=key[3]))
    return tuple(made)


def key_of(flow):
    return flow["src"], flow["dst"], flow["protocol"].lower(), flow.get("dst_port")


def target_of(name):
    address = name.removeprefix("ip:")
    if address == name:
        return name
    if address not in SERVICES:
        raise NotUnderstood(f"nothing says whom the address {address} stands for")
    return SERVICES[address]


def protocol_of(workload):
    return workload.get("protocol", "tcp").lower()


def has_ports(protocol):
    return protocol in ("tcp", "udp", "sctp")


# --- topology -----------------------------------------------------------------------------------------------------------


def topology_of(value, endpoints, connections):
    interfaces = {(document["metadata"]["namespace"], document["spec"]["pod"]): document["spec"]["interfaceName"]
                  for document in endpoints if document["kind"] == "WorkloadEndpoint"}
    workloads = tuple(
        Workload(workload["name"], workload["host"], interfaces[workload["namespace"], workload["name"]],
                 (conformance.host_cidr(workload["ip"]),)) for workload in value["workloads"])
    names = {workload.name for workload in workloads}
    listeners = {(workload["name"], protocol_of(workload), port) for workload in value["workloads"]
                 for port in conformance.flow_ports(workload)}
    listeners |= {(made.to, made.protocol, made.port) for made in connections if made.to in names}
    return Topology(hosts=hosts_of(workloads), workloads=workloads, listeners=tuple(Listener(*key) for key in listeners),
                    dnat=tuple(services_of(value, workloads)))


def hosts_of(workloads):
    names = sorted({workload.host for workload in workloads})
    addresses = {name: (f"192.0.2.{number}", f"2001:db8:2::{number}") for number, name in enumerate(names, start=10)}

    def host(name):
        routes = tuple(Route(to, via=addresses[other.host][":" in to]) for other in workloads if other.host != name
                       for to in other.addresses)
        own = (f"{addresses[name][0]}/24", f"{addresses[name][1]}/64")
        return Host(name, name, (Interface("eth0", own),), routes)

    return tuple(map(host, names))


def services_of(value, workloads):
    targets = {workload["name"]: workload for workload in value["workloads"]}
    hosts = {workload.name: workload.host for workload in workloads}
    services = {(hosts[row["from"]], row["to"].removeprefix("ip:"), row["port"]) for row in value["connectivity"]
                if row["to"].startswith("ip:")}
    for host, address, port in services:
        target = targets[target_of(f"ip:{address}")]
        yield DestinationNat(host, "PREROUTING", protocol_of(target), address,
                             f"{target['ip']}:{conformance.flow_ports(target)[0]}", port)


# --- records ------------------------------------------------------------------------------------------------------------


def records_of(value, endpoints):
    ends = {document["spec"]["pod"]: End(document["spec"]["node"], document["metadata"]["namespace"],
                                         document["metadata"]["name"])
            for document in endpoints if document["kind"] == "WorkloadEndpoint"}
    flows = value.get("flows") or []
    denied_by_source = {key_of(flow) for flow in flows if flow["reporter"] == "src" and flow["action"] == "deny"}
    would_deny_at_source = {key_of(flow) for flow in flows
                            if flow["reporter"] == "src" and flow.get("pending") and denies(flow["pending"])}

    def record(flow):
        key = key_of(flow)
        source, destination = ends[key[0]], ends[key[1]]
        pending = flow.get("pending")
        if flow["reporter"] == "dst" and source.host == destination.host and key in would_deny_at_source:
            pending = []  # an earlier leg would stop it
        return ExpectedRecord(source, destination, flow["reporter"], key[2], key[3], flow["action"],
                              tuple(flow["enforced"]), None if pending is None else tuple(pending))

    said = {key_of(flow) for flow in flows if flow["reporter"] == "dst"}
    never = (ExpectedRecord(ends[source], ends[destination], "dst", protocol, port)
             for source, destination, protocol, port in sorted(denied_by_source - said, key=str))
    return (*map(record, flows), *never)


def denies(hits):
    return conformance.parse_hit(hits[-1])["action"] == "deny"
