#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Asks `drywall flows` whether a record fits.

    flow_match.py [--within SECONDS | --absent] DRYWALL KEY=VALUE...     exit 0 yes, 1 no

Keys: action, pending (pending_action), differs (yes/no), failsafe (yes/no), predicted, reporter, protocol, port, bucket,
interface, source, destination (name, namespace/name, pod or one of the addresses), enforced, staged (whole traces),
packets, started (numbers, or a least number: 3+), since (ended at or after that time).
A trace is written `KIND NAMESPACE/NAME RULE ACTION`, several with commas: `Profile kns.prod 0 allow`,
`GlobalNetworkPolicy first 0 pass, GlobalNetworkPolicy second -1 deny`; `LENGTH: n` instead asks for n entries.
"""
import json
import subprocess
import sys
import time


def records(drywall):
    run = subprocess.run([drywall, "flows", "-o", "json"], capture_output=True, text=True, timeout=30)
    if run.returncode != 0:
        print(run.stderr, file=sys.stderr, end="")
    return [json.loads(line) for line in run.stdout.splitlines()]


def trace_text(trace):
    def hit(h):
        name = "/".join(part for part in (h["namespace"], h["name"]) if part)
        return " ".join(part for part in (h["kind"], name, str(h["rule"]), h["action"]) if part)

    return ", ".join(hit(h) for h in trace)


def peer_names(peer):
    parts = [peer["name"], f'{peer["namespace"]}/{peer["name"]}']
    return parts + peer.get("addresses", [])


def number_fits(wanted, number):
    return number >= int(wanted[:-1]) if wanted.endswith("+") else number == int(wanted)


def trace_fits(wanted, trace):
    if wanted.startswith("LENGTH: "):
        return len(trace) == int(wanted.removeprefix("LENGTH: "))
    return trace_text(trace) == wanted


YES_NO = {"yes": True, "no": False}
FITS = {
    "action": lambda v, r: r["action"] == v,
    "pending": lambda v, r: r["pending_action"] == v,
    "differs": lambda v, r: r["differs"] == YES_NO[v],
    "failsafe": lambda v, r: r["failsafe"] == YES_NO[v],
    "predicted": lambda v, r: r["predicted"] == YES_NO[v],
    "reporter": lambda v, r: r["reporter"] == v,
    "protocol": lambda v, r: r["protocol"] == v,
    "port": lambda v, r: r["destination"]["port"] == int(v),
    "bucket": lambda v, r: r["bucket"] == v,
    "interface": lambda v, r: r["interface"] == v,
    "source": lambda v, r: v in peer_names(r["source"]),
    "destination": lambda v, r: v in peer_names(r["destination"]),
    "enforced": lambda v, r: trace_fits(v, r["policies"]["enforced"]),
    "staged": lambda v, r: trace_fits(v, r["policies"]["pending"]),
    "since": lambda v, r: r["end"] >= v,
    "packets": lambda v, r: number_fits(v, r["packets"]),
    "started": lambda v, r: number_fits(v, r["connections"]["started"]),
}


def fits(wanted, record):
    return all(FITS[key](value, record) for key, value in wanted)


def line(record):
    return (
        f'{record["reporter"]} {peer_names(record["source"])} -> {peer_names(record["destination"])} '
        f'{record["protocol"]} {record["destination"]["port"]} {record["action"]} {record["pending_action"]} '
        f'packets {record["packets"]} started {record["connections"]["started"]} '
        f'enforced [{trace_text(record["policies"]["enforced"])}] pending [{trace_text(record["policies"]["pending"])}]'
    )


def main(arguments):
    within, absent = 0.0, False
    while arguments[0].startswith("--"):
        option = arguments.pop(0)
        absent = absent or option == "--absent"
        within = float(arguments.pop(0)) if option == "--within" else within
    drywall = arguments.pop(0)
    wanted = [tuple(argument.split("=", 1)) for argument in arguments]
    deadline = time.monotonic() + within
    while True:
        seen = records(drywall)
        found = any(fits(wanted, record) for record in seen)
        in_time = within == 0 or time.monotonic() <= deadline
        if found or not in_time or within == 0:
            found = found and in_time
            break
        time.sleep(0.02)
    if found == absent:
        print("the flow records are:", *map(line, seen), sep="\n  ", file=sys.stderr)
    return 1 if found == absent else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
