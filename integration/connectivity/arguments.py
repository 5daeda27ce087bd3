# SPDX-License-Identifier: GPL-2.0-or-later
"""The options that all programs over case files have."""
import argparse
import os
import pathlib


def parser(program):
    made = argparse.ArgumentParser(prog=program)
    made.add_argument("files", nargs="+", metavar="FILE.json", type=pathlib.Path)
    made.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="cases at a time (processors)")
    made.add_argument("--only", default="", metavar="SUBSTRING", help="cases with this in their id or feature")
    made.add_argument("--quiet", type=float, default=0.3, metavar="SECONDS",
                      help="so long without an answer is none (0.3)")
    made.add_argument("--without-policy", action="store_true",
                      help="leave the policy directory empty, to see expectations fail")
    made.add_argument("--verbose", action="store_true",
                      help="a line for each case; of one that fails the daemon's log and its rules")
    return made


def parse(made, words):
    arguments = made.parse_args(words)
    if arguments.jobs < 1:
        made.error("--jobs: at least 1")
    for name in ("drywall", "drywalld"):
        if not os.access(pathlib.Path(os.environ["DRYWALL_BUILD"]) / name, os.X_OK):
            made.error(f"there is no {name} in {os.environ['DRYWALL_BUILD']}: build it, or set DRYWALL_BUILD")
    return arguments


def wanted(arguments, case):
    """`case` as JSON has it."""
    return arguments.only in case.get("id", "") or arguments.only in case.get("feature", "")
