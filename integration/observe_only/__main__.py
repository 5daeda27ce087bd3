# SPDX-License-Identifier: GPL-2.0-or-later
"""Sends the same packets with staged documents and without them, and compares all that can be seen of the packets.

    observe_only DRYWALL POLICY_DIR [--rounds N] [--seed SEED]

Exit 1 if anything differs, or if the test saw too little to mean anything.
"""
import argparse
import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

here = Path(__file__).resolve().parent
sys.path += [str(here.parent / "connectivity"), str(here.parent)]

from conversations import NUMBERS, Packet, address, header, traffic  # noqa: E402
from documents import Deck, directory  # noqa: E402
from network import MARK_BIT, Network, run  # noqa: E402
import packet  # noqa: E402

CONVERSATIONS = 50
SABOTAGE = {
    "TTL": "type filter hook forward priority 200; ip ttl set 77",
    "DSCP": "type filter hook forward priority 200; ip dscp set 33",
    "payload": "type filter hook forward priority 200; udp dport set 4",
    "mark": "type filter hook prerouting priority -10; meta mark set 3",
    "the connection's mark": "type filter hook prerouting priority -10; ct mark set 3",
    "verdict": "type filter hook forward priority 200; meta l4proto udp drop",
    "tracking": "type filter hook prerouting priority -300; meta l4proto udp notrack",
}


class Daemon:
    def __init__(self, drywall, policy_dir):
        self.drywall, self.policy_dir = drywall, Path(policy_dir)

    def given(self, **documents):
        for name, those in documents.items():
            text = "".join(f"---\n{json.dumps(document)}\n" for document in those)
            (self.policy_dir / f".{name}").write_text(text, encoding="utf-8")
            os.rename(self.policy_dir / f".{name}", self.policy_dir / f"{name}.yaml")
        self.ask("reload")

    def ask(self, *verb):
        done = subprocess.run([self.drywall, *verb], capture_output=True, text=True, timeout=30, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"drywall {' '.join(verb)}: {done.stdout}{done.stderr}")
        return done.stdout

    def flows(self, *which):
        return len(self.ask("flows", *which, "-o", "json").splitlines())


def last_packets():
    made = []
    for name in NUMBERS:
        source, host = address(name, 4), address("host", 4, name)
        datagram = packet.udp(source, host, 9, 9, b"")
        made.append(Packet(name, host, header(source, host, 17, len(datagram), 64, 0, 1, 0) + datagram))
    return made


def differences(one, other):
    for what in one:
        only = {"only with staged policy": one[what] - other[what], "only without": other[what] - one[what]}
        for which, these in only.items():
            for thing, times in list(these.items())[:5]:
                yield f"{what}, {which}, {times} times: {readable(thing)}"


def readable(thing):
    if not isinstance(thing, tuple):
        return thing
    return " ".join(part.hex() if isinstance(part, bytes) else f"{part!s}" for part in thing)


def check_that_differences_are_seen(daemon, network, last):
    """The comparison itself: without policy nothing differs, and each thing that policy must not do is noticed."""
    daemon.given(enforced=[], staged=[])
    packets = traffic(random.Random(1), 4 * CONVERSATIONS, MARK_BIT)
    untouched = network.watch(packets, last)
    found = list(differences(network.watch(packets, last), untouched))
    if found:
        raise RuntimeError("the same packets are not seen alike twice: " + "\n".join(found))
    for what, chain in SABOTAGE.items():
        hook, rule = chain.split("; ")
        run("nft", "-f", "-", text=f"table inet sabotage {{ chain c {{ {hook}; policy accept; {rule}; }}; }}")
        found = list(differences(network.watch(packets, last), untouched))
        run("nft", "delete", "table", "inet", "sabotage")
        if not found:
            raise RuntimeError(f"a change of {what} is not noticed")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("drywall")
    parser.add_argument("policy_dir")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    wanted = parser.parse_args()
    print(f"seed {wanted.seed}", flush=True)

    # One processor handles all packets, one after the other.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    chance = random.Random(wanted.seed)
    deck, daemon, network, last = Deck(chance), Daemon(wanted.drywall, wanted.policy_dir), Network(), last_packets()
    check_that_differences_are_seen(daemon, network, last)
    told = Counter()
    for number in range(1, wanted.rounds + 1):
        documents = directory(chance, deck)
        packets = traffic(chance, CONVERSATIONS, MARK_BIT)
        seen = {}
        for staged in chance.sample([True, False], 2):
            daemon.given(enforced=documents.enforced, staged=documents.staged if staged else [])
            seen[staged] = network.watch(packets, last)
            if staged:
                told["pending chains"] += run("nft", "list", "chains").count("chain pending-")
        found = list(differences(seen[True], seen[False]))
        if found:
            print(f"round {number} of seed {wanted.seed}: staged policy is not inert", *found, sep="\n  ")
            print(json.dumps({"enforced": documents.enforced, "staged": documents.staged}, indent=1))
            return 1
        told["packets"] += len(packets)
        told["arrived"] += seen[True]["what arrived"].total()
        told["connections"] += seen[True]["connections"].total()
        told["flows that differ"] = daemon.flows("--differs")
        told["denied flows"] = daemon.flows("--action", "deny")
    print("measured:", ", ".join(f"{number} {what}" for what, number in told.items()), f"in {wanted.rounds} rounds")
    if deck.missing() and wanted.rounds >= 30:
        print("never staged:", *deck.missing())
        return 1
    if min(told.values()) < wanted.rounds:
        print("too little was seen to mean anything")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
