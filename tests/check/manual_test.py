#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual pages say what the programs take, and nothing else: every verb and option of --help is in drywall(1) and
drywalld(8), and the other way round; every key of etc/drywall.yaml is in drywall.yaml(5); mandoc finds no fault; and the
examples that need no daemon do what they say. DRYWALL_BUILD names the folder with the programs."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

top = pathlib.Path(__file__).resolve().parent.parent.parent
build = pathlib.Path(os.environ.get("DRYWALL_BUILD", top / "build"))
manuals = top / "docs" / "man"
complaints = []


def help_of(*command):
    return subprocess.run([*map(str, command), "--help"], capture_output=True, text=True, check=True).stdout


def options_in_help(text):
    return set(re.findall(r"^  (?:-\w,)?(--[a-z-]+)", text, re.M)) - {"--help", "--version", "--output"}


def options_in_manual(text):
    return {"--" + name for name in re.findall(r"Fl -([a-z-]+)", "\n".join(
        line for line in text.splitlines() if line.startswith(".It Fl")))} - {"--help", "--version", "--output"}


def compare(what, programs, manual):
    for missing in sorted(programs - manual):
        complaints.append(f"{what}: {missing} is not in the manual")
    for unknown in sorted(manual - programs):
        complaints.append(f"{what}: {unknown} is in the manual alone")


def check_drywall():
    page = (manuals / "drywall.1").read_text()
    verbs_part = page.split("\n.Sh VERBS\n")[1].split("\n.Sh ")[0]
    sections = dict((part.split(None, 1)[0], part) for part in verbs_part.split("\n.Ss ")[1:])
    verbs = set(re.findall(r"^  ([a-z]+) ", help_of(build / "drywall").split("Subcommands:")[1], re.M))
    compare("drywall", verbs, set(sections))
    for verb in sorted(verbs & set(sections)):
        compare(f"drywall {verb}", options_in_help(help_of(build / "drywall", verb)), options_in_manual(sections[verb]))


def check_drywalld():
    compare("drywalld", options_in_help(help_of(build / "drywalld")),
            options_in_manual((manuals / "drywalld.8").read_text()))


def check_configuration():
    shipped = set(re.findall(r"^#?([a-z_]+):", (top / "etc" / "drywall.yaml").read_text(), re.M))
    page = (manuals / "drywall.yaml.5").read_text()
    described = set()
    for line in re.findall(r"^\.It (Li .*)$", page, re.M):
        described |= set(re.findall(r"Li ([a-z_]+)", line))
    compare("drywall.yaml", shipped, described)


def check_form():
    if shutil.which("mandoc") is None:
        print("not shown: that mandoc finds no fault (it is not installed)")
        return
    for page in sorted(manuals.iterdir()):
        found = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(page)], capture_output=True, text=True)
        complaints.extend(line for line in found.stdout.splitlines())
        linked = set(re.findall(r"^\.Xr (\S+ \d)", page.read_text(), re.M))
        for name, section in (reference.split() for reference in linked):
            ours = name.startswith(("drywall", "org.drywall1"))
            if ours and not (manuals / f"{name}.{section}").exists():
                complaints.append(f"{page.name}: {name}({section}) does not exist")


def check_examples():
    """Those that begin with `$ drywall`, in a directory that has what they speak of; any answer but `usage` will do."""
    page = (manuals / "drywall.1").read_text()
    examples = [line.replace("\\e", "\\") for line in re.findall(r"^\$ (drywall .*)$", page, re.M)]
    if len(examples) < 4:
        complaints.append("drywall.1: where are its examples?")
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(top / "integration" / "policies", pathlib.Path(place) / "policy.d")
        for example in examples:
            command = str(build / "drywall") + example.removeprefix("drywall")
            done = subprocess.run(["sh", "-c", command], cwd=place, capture_output=True, text=True)
            if done.returncode not in (0, 1):
                complaints.append(f"{example}: exit {done.returncode}: {done.stderr.strip()}")


def check_policies():
    """Each example of drywall-policy(7) is a directory without a mistake."""
    page = (manuals / "drywall-policy.7").read_text()
    examples = re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", page, re.M | re.S)
    if len(examples) < 3:
        complaints.append("drywall-policy.7: where are its examples?")
    for number, example in enumerate(examples, 1):
        with tempfile.TemporaryDirectory() as place:
            (pathlib.Path(place) / "policy.yaml").write_text(example.replace("\\e", "\\"))
            done = subprocess.run([build / "drywall", "check", place], capture_output=True, text=True)
            if done.returncode != 0:
                complaints.append(f"drywall-policy.7, example {number}: {done.stderr.strip()}")


check_drywall()
check_drywalld()
check_policies()
check_configuration()
check_form()
check_examples()
if complaints:
    sys.exit("\n".join(complaints))
print("the manual pages say what the programs take")
