#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Prints what a section of a guide asks its reader to do, as a script for bash.

    guide.py GUIDE HEADING

A block whose first line is `# /etc/...` is a file to write; the lines of a console block that begin with `# ` are commands
to run, by the function `step` of whoever runs the script.
"""
import pathlib
import re
import shlex
import sys

FENCE = re.compile(r"^```(\w*)$")


def section(lines, heading):
    begin = lines.index(f"## {heading}") + 1
    end = next((n for n in range(begin, len(lines)) if lines[n].startswith("## ")), len(lines))
    return lines[begin:end]


def blocks(lines):
    language, block = None, []
    for line in lines:
        fence = FENCE.match(line)
        if fence and language is None:
            language, block = fence[1], []
        elif fence:
            yield language, block
            language = None
        elif language is not None:
            block.append(line)


def main():
    guide, heading = sys.argv[1:]
    found = list(blocks(section(pathlib.Path(guide).read_text().splitlines(), heading)))
    for language, block in found:
        if language == "console":
            for line in block:
                if line.startswith("# "):
                    print("step", shlex.quote(line[2:]))
        elif block and block[0].startswith("# /etc/"):
            path = block[0][2:]
            print(f"mkdir -p {shlex.quote(str(pathlib.Path(path).parent))}")
            print(f"printf %s {shlex.quote(chr(10).join(block) + chr(10))} >{shlex.quote(path)}")
    if not found:
        sys.exit(f"{guide}: the section {heading} asks nothing")


main()
