# SPDX-License-Identifier: GPL-2.0-or-later
"""A case of a flow-traces file tried out: its connections are opened as in any trial, then their records are read."""
import asyncio
import json
import time

from flow_case import conformance, denies
from product import program
from trial import Trial

PATIENCE = 5.0  # seconds until a record that is not there counts as missing


class FlowTrial(Trial):

    async def judge(self, number, step):
        await super().judge(number, step)
        until = time.monotonic() + PATIENCE
        while True:
            seen = {product.folder.name: records_at(product) for product in self.products}
            complaints = [(expected, self.complaint(expected, seen[expected.host])) for expected in self.case.records]
            if time.monotonic() > until or not any(complaint for _, complaint in complaints):
                break
            await asyncio.sleep(0.05)
        for expected, complaint in complaints:
            if complaint:
                self.findings.failures.append(f"{expected}: {complaint}")
            else:
                self.findings.passed += 1

    def complaint(self, expected, records):
        """What is wrong with the records of such traffic, or None. The same traffic is the same record: all must fit."""
        found = [record for record in records if is_about(expected, record)]
        if expected.action is None:
            return f"the source denies it, and yet there is the record {text(found[0])}" if found else None
        if not found:
            return "no such record"
        return next(filter(None, (self.misfit(expected, record) for record in found)), None)

    def misfit(self, expected, record):
        actions = (record["action"], record["pending_action"], record["differs"])
        wanted = (expected.action, record["pending_action"], record["differs"])
        if expected.pending is not None:
            would_deny = not expected.pending or denies(expected.pending)
            wanted = (expected.action, "would-deny" if would_deny else "would-allow",
                      would_deny != (expected.action == "deny"))
        if actions != wanted:
            return f"expected {wanted}, found {text(record)}"
        for world in ("enforced", "pending"):
            hits = getattr(expected, world)
            if hits is not None and not self.fits(hits, record["policies"][world]):
                return f"expected the {world} trace {list(hits)}, found {text(record)}"
        return None

    def fits(self, hits, trace):
        if not hits:
            return not trace
        return conformance.compare_trace([conformance.parse_hit(hit) for hit in hits], trace, dict(self.case.renamed))


def records_at(product):
    answer = product.ask(program("drywall"), "flows", "-o", "json")
    return [json.loads(line) for line in answer.stdout.splitlines()]


def is_about(expected, record):
    ends = ((expected.source, record["source"]), (expected.destination, record["destination"]))
    return (all((peer["type"], peer["namespace"], peer["name"]) == ("wep", end.namespace, end.name) for end, peer in ends)
            and record["reporter"] == expected.reporter and record["protocol"] == expected.protocol
            and record["destination"]["port"] == expected.port)


def text(record):
    traces = " ".join(f"{world} [{', '.join(map(conformance.show, trace))}]"
                      for world, trace in record["policies"].items())
    return f"{record['action']} {record['pending_action']} differs {record['differs']} {traces}"
