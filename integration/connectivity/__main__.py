# SPDX-License-Identifier: GPL-2.0-or-later
"""Tries the cases of host-connectivity files on this kernel: see integration/host-connectivity."""
import argparse
import json
import os
import pathlib
import signal
import sys
from dataclasses import dataclass, field

import jobs
from case import NotUnderstood, read_case
from trial import UNATTAINABLE, Options


@dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    cases: int = 0
    failed_cases: int = 0
    skips: dict[str, int] = field(default_factory=dict)  # by file


def main():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends all of it without a word
    arguments = parse(sys.argv[1:])
    tally = Tally()
    for path in arguments.files:
        try_file(path, arguments, tally)
    for name, number in tally.skips.items():
        print(f"  {number}  {name} {UNATTAINABLE}: an accept of one table does not outweigh another's drop policy")
    print(f"{tally.cases} cases, {tally.failed_cases} of them failed; the line below counts their expectations")
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 0 if tally.passed and not tally.failed else 1


def parse(words):
    parser = argparse.ArgumentParser(prog="host-connectivity")
    parser.add_argument("files", nargs="+", metavar="FILE.json", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="cases at a time (processors)")
    parser.add_argument("--only", default="", metavar="SUBSTRING", help="cases with this in their id or feature")
    parser.add_argument("--quiet", type=float, default=0.3, metavar="SECONDS",
                        help="so long without an answer is none (0.3)")
    parser.add_argument("--host0-only", action="store_true",
                        help="the daemon runs on the first host alone; expects reach_host0_only")
    parser.add_argument("--without-policy", action="store_true",
                        help="leave the policy directory empty, to see expectations fail")
    parser.add_argument("--verbose", action="store_true",
                        help="a line for each case; of one that fails the daemon's log and its rules")
    arguments = parser.parse_args(words)
    if arguments.jobs < 1:
        parser.error("--jobs: at least 1")
    for name in ("drywall", "drywalld"):
        if not os.access(pathlib.Path(os.environ["DRYWALL_BUILD"]) / name, os.X_OK):
            parser.error(f"there is no {name} in {os.environ['DRYWALL_BUILD']}: build it, or set DRYWALL_BUILD")
    return arguments


def try_file(path, arguments, tally):
    cases = []
    for value in json.loads(path.read_text(encoding="utf-8"))["cases"]:
        if arguments.only not in value.get("id", "") and arguments.only not in value.get("feature", ""):
            continue
        tally.cases += 1
        try:
            cases.append(read_case(value))
        except NotUnderstood as complaint:
            tally.failed_cases += 1
            tally.failed += max(1, sum(len(step.get("expect", [])) for step in value.get("steps", [])))
            print(f"{value.get('id')}: not tried, all its expectations fail: {complaint}", flush=True)
    options = Options(arguments.quiet, arguments.host0_only, arguments.without_policy)
    for case, findings in jobs.try_all(cases, options, arguments.jobs):
        report(case, findings, arguments.verbose)
        tally.passed += findings.passed
        tally.failed += len(findings.failures)
        tally.failed_cases += bool(findings.failures)
        tally.skipped += findings.skipped
        if findings.skipped:
            tally.skips[path.name] = tally.skips.get(path.name, 0) + findings.skipped


def report(case, findings, verbose):
    for failure in findings.failures:
        print(f"{case.id} {failure}")
    for remark in findings.remarks:
        print(f"note: {case.id} {remark}")
    if verbose:
        print(f"{case.id}: {findings.passed} passed, {len(findings.failures)} failed, {findings.skipped} skipped, "
              f"{findings.seconds:.1f} s")
        for text in findings.evidence:
            print(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
