# SPDX-License-Identifier: GPL-2.0-or-later
"""One case tried out: its network is built, its steps are applied to the running daemon, what they expect is probed."""
import asyncio
import time
from dataclasses import dataclass, field

import conntrack
import network
from case import NotUnderstood, protocol_of
from probe import Attempt, Outcome, probe, spoofed
from product import PolicyDirectory, Product, ProductFailed
from responder import Responders

PATIENCE = 3.0  # seconds until what should be answered counts as not answered
UNATTAINABLE = "iptables-accept-is-final"


@dataclass(frozen=True)
class Options:
    quiet: float  # seconds without an answer that prove that there is none
    host0_only: bool  # the product runs on the first host only, and reach_host0_only is expected
    without_policy: bool  # the policy directory stays empty, to see that expectations fail then


@dataclass
class Findings:
    """What became of each expectation of a case."""
    passed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)  # one line each
    remarks: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)  # for whoever looks into a failure
    seconds: float = 0.0


class Trial:

    def __init__(self, case, folder, options):
        self.case, self.folder, self.options = case, folder, options
        self.findings = Findings()
        self.network = None
        self.responders = Responders()
        self.products = []
        self.policies = PolicyDirectory(folder / "policy")
        self.never_reached = set()

    async def run(self):
        begin = time.monotonic()
        done = 0
        try:
            await self.prepare()
            for number, step in enumerate(self.case.steps, start=1):
                self.apply(step)
                await self.judge(number, step)
                done = number
        except Exception as error:  # whatever it is, what was not probed has not passed
            self.give_up(done, error)
        if self.findings.failures:
            self.findings.evidence += self.evidence()
        for product in self.products:
            product.stop()
        self.findings.seconds = time.monotonic() - begin
        return self.findings

    # --- the world --------------------------------------------------------------------------------------------------

    async def prepare(self):
        topology = self.case.topology
        self.network = network.build(topology)
        for node in self.network.nodes.values():
            self.responders.start(node, [listener for listener in topology.listeners if listener.on == node.name])
        await self.try_without_policy()
        if not self.options.without_policy:
            for document in (*self.case.documents, *self.configuration()):
                self.policies.apply(document)
        for host in topology.hosts:
            network.drop_by_default(self.network.nodes[host.name].namespace, topology)
            if host.runs_product and not (self.options.host0_only and host is not topology.hosts[0]):
                self.products.append(Product(self.network.nodes[host.name].namespace, host.node,
                                             self.folder / host.name, self.policies))

    async def try_without_policy(self):
        """Silence means something only where there was an answer before. This also acquaints the neighbours."""
        everything = {str(expectation): expectation for step in self.case.steps for expectation in step.expect
                      if expectation.spoof_source is None}
        for batch in self.batches(everything.values()):
            for expectation, outcome in await self.outcomes(batch, [True] * len(batch)):
                if outcome is not Outcome.ANSWERED:
                    self.never_reached.add(str(expectation))

    def configuration(self):
        if self.case.config:
            yield {"apiVersion": "projectcalico.org/v3", "kind": "FelixConfiguration", "metadata": {"name": "default"},
                   "spec": self.case.config}

    def apply(self, step):
        if not self.options.without_policy:
            for document in step.apply:
                self.policies.apply(document)
            for identity in step.delete:
                self.policies.delete(identity)
        for product in self.products:
            product.reload()

    # --- expectations -----------------------------------------------------------------------------------------------

    async def judge(self, number, step):
        wanted = [expectation for expectation in step.expect if not self.is_unattainable(expectation)]
        outcomes = []
        for batch in self.batches(wanted):
            outcomes += await self.outcomes(batch, [self.is_expected(expectation) for expectation in batch])
            if self.responders.broken():
                raise self.responders.broken()
        for expectation, outcome in outcomes:
            self.note(number, expectation, outcome)
        self.findings.skipped += len(step.expect) - len(wanted)

    def is_expected(self, expectation):
        if self.options.host0_only and expectation.reach_host0_only is not None:
            return expectation.reach_host0_only
        return expectation.reach

    def is_unattainable(self, expectation):
        """No other table's accept saves a packet from a chain whose policy is drop."""
        to_host = expectation.to in {host.name for host in self.case.topology.hosts}
        policy = self.case.topology.host_input_policy if to_host else self.case.topology.host_forward_policy
        return UNATTAINABLE in self.case.requires and policy == "DROP" and self.is_expected(expectation)

    def note(self, number, expectation, outcome):
        expected = Outcome.ANSWERED if self.is_expected(expectation) else Outcome.SILENT
        if not isinstance(outcome, Outcome):
            self.fail(number, expectation, f"not probed: {outcome}")
            return
        if outcome is not expected:
            wanted = "an answer" if expected is Outcome.ANSWERED else "none"
            self.fail(number, expectation, f"{outcome.value}, expected {wanted}")
            return
        self.findings.passed += 1
        if expected is Outcome.SILENT and str(expectation) in self.never_reached:
            self.findings.remarks.append(f"step {number}: {expectation}: no answer, but without policy neither")

    def fail(self, number, expectation, what):
        self.findings.failures.append(f"step {number}: {expectation}: {what}")

    def give_up(self, done, error):
        complaint = " ".join(str(error).split())
        if isinstance(error, ProductFailed):
            self.findings.evidence.append(error.words)
        elif not isinstance(error, NotUnderstood):
            complaint = f"{type(error).__name__}: {complaint}"
        for number, step in enumerate(self.case.steps[done:], start=done + 1):
            for expectation in step.expect:
                self.fail(number, expectation, f"not probed: {complaint}")
        if not any(step.expect for step in self.case.steps[done:]):
            self.findings.failures.append(complaint)

    # --- probing ----------------------------------------------------------------------------------------------------

    def batches(self, expectations):
        """Those that share a batch are probed at once. What connection tracking could take for the answers of another,
        and what would leave from the same port for the same place, goes into different ones."""
        batches = []  # (expectations, flows)
        for expectation in expectations:
            flow = self.flow(expectation)
            for batch, flows in batches:
                if flow is None or flow not in flows:
                    break
            else:
                batch, flows = [], set()
                batches.append((batch, flows))
            batch.append(expectation)
            flows.add(flow)
        return [batch for batch, _ in batches]

    def flow(self, expectation):
        """Both ends without an order, or None if the source port makes it unique."""
        if self.case.topology.tunnel == "ipip":
            return "tunnel"  # all that goes through it is one connection to those that see its outside
        if expectation.port is not None and expectation.from_port is None:
            return None
        if self.case.topology.dnat:
            return "translated"  # where it really goes to is not said here
        ends = {(expectation.from_, expectation.from_port), (expectation.to, expectation.port)}
        return protocol_of(expectation), frozenset(ends)

    async def outcomes(self, batch, expected):
        """(expectation, what became of it): an Outcome, or the error that kept it from being probed."""
        for host in self.network.hosts:
            conntrack.flush(self.network.nodes[host].namespace)
        tasks = [asyncio.create_task(self.attempt(expectation)) for expectation in batch]
        awaited = [task for task, answered in zip(tasks, expected) if answered]
        begin = time.monotonic()
        if awaited:
            await asyncio.wait(awaited, timeout=PATIENCE)
        rest = begin + self.options.quiet - time.monotonic()
        if not all(expected) and rest > 0:
            await asyncio.wait(tasks, timeout=rest)
        for _ in range(20):  # on a busy machine an answer may lie ready that nobody had time to read
            await asyncio.sleep(0)
        outcomes = [(expectation, outcome_of(task)) for expectation, task in zip(batch, tasks)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.responders.forget_connections()
        return outcomes

    async def attempt(self, expectation):
        asker = self.network.nodes[expectation.from_]
        address = self.network.address_of(expectation.to, expectation.from_)
        attempt = Attempt(asker, address, protocol_of(expectation), expectation.port, expectation.from_port)
        if expectation.spoof_source in (None, expectation.from_):
            return await probe(attempt)
        owner = self.network.nodes[expectation.spoof_source]
        watched = [owner.namespace]
        if expectation.to in self.network.nodes and expectation.to not in self.network.hosts:
            watched.append(self.network.nodes[expectation.to].namespace)
        return await spoofed(attempt, self.network.address_of(expectation.spoof_source, expectation.from_), watched)

    # --- afterwards -------------------------------------------------------------------------------------------------

    def evidence(self):
        for product in self.products:
            yield f"--- {product.folder.name}: drywalld\n{product.log()}"
            yield f"--- {product.folder.name}: nft list ruleset\n{product.ruleset()}"


def outcome_of(task):
    if not task.done():
        return Outcome.SILENT
    return task.exception() or task.result()
