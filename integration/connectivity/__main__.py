# SPDX-License-Identifier: GPL-2.0-or-later
"""Tries the cases of host-connectivity files on this kernel: see integration/host-connectivity."""
import json
import signal
import sys

import arguments
import jobs
from case import NotUnderstood, read_case
from tally import Tally
from trial import UNATTAINABLE, Options, Trial


def main():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends all of it without a word
    given = parse(sys.argv[1:])
    tally = Tally()
    for path in given.files:
        try_file(path, given, tally)
    return tally.end()


def parse(words):
    parser = arguments.parser("host-connectivity")
    parser.add_argument("--host0-only", action="store_true",
                        help="the daemon runs on the first host alone; expects reach_host0_only")
    return arguments.parse(parser, words)


def try_file(path, given, tally):
    cases = []
    for value in json.loads(path.read_text(encoding="utf-8"))["cases"]:
        if not arguments.wanted(given, value):
            continue
        tally.cases += 1
        try:
            cases.append(read_case(value))
        except NotUnderstood as complaint:
            tally.not_tried(value.get("id"), complaint, sum(len(step.get("expect", [])) for step in value.get("steps", [])))
    options = Options(given.quiet, given.host0_only, given.without_policy)
    for case, findings in jobs.try_all(cases, Trial, options, given.jobs):
        tally.count(case, findings, given.verbose)
        if findings.skipped:
            tally.skip(path, findings.skipped,
                       f"{UNATTAINABLE}: an accept of one table does not outweigh another's drop policy")


if __name__ == "__main__":
    sys.exit(main())
