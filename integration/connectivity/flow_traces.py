# SPDX-License-Identifier: GPL-2.0-or-later
"""Tries the cases of flow-traces files on this kernel: see integration/flow-traces."""
import json
import signal
import sys

import arguments
import flow_case
import jobs
from case import NotUnderstood
from flow_trial import FlowTrial
from tally import Tally
from trial import Options


def main():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends all of it without a word
    given = arguments.parse(arguments.parser("flow-traces"), sys.argv[1:])
    tally = Tally()
    for path in given.files:
        try_file(path, given, tally)
    return tally.end()


def try_file(path, given, tally):
    data = json.loads(path.read_text(encoding="utf-8"))
    cases = []
    for value in data["cases"]:
        if not arguments.wanted(given, value):
            continue
        tally.cases += 1
        try:
            cases.append(flow_case.read_case(value, data["header"]))
        except flow_case.Skip as reason:
            tally.skip(path, flow_case.expectations_in(value), str(reason))
        except NotUnderstood as complaint:
            tally.not_tried(value.get("id"), complaint, flow_case.expectations_in(value))
    options = Options(given.quiet, host0_only=False, without_policy=given.without_policy)
    for case, findings in jobs.try_all(cases, FlowTrial, options, given.jobs):
        tally.count(case, findings, given.verbose)


if __name__ == "__main__":
    sys.exit(main())
