#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs every command of README.md and compares what it prints with what stands there.

    readme_commands.py [--update]      --update writes into README.md what was printed

In a block marked `console`, lines that begin with `$ ` are typed at the top of the repository, those with `host# ` in
integration/playground, the same for all of them; a command with `<<END` goes on until the line END. Times are compared
only for being there, runs of spaces as one; a line `...` stands for any lines. `sudo` is left out: the test has the
rights that it has.
"""
import difflib
import os
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
README = TOP / "README.md"
PLAYGROUND = "sudo integration/playground"
MARK = "--- end of answer ---"
# What a test does not run as it stands, because it would run itself or build everything again: what is run instead.
INSTEAD = {
    "sudo tests/run": "tests/run --list",
    "cmake --preset release && cmake --build --preset release":
        "d=$(mktemp -d) && cmake --preset release -B $d && cmake --build $d --target help && rm -rf $d",
}
NOT_COMPARED = {*INSTEAD, PLAYGROUND}


def blocks(lines):
    """Yields (first, last) line numbers of what is inside each console block."""
    begin = None
    for number, line in enumerate(lines):
        if begin is None and line == "```console":
            begin = number + 1
        elif begin is not None and line == "```":
            yield begin, number
            begin = None


def commands(lines):
    """Splits a block into (prompt, command, its lines in the README, answer's lines)."""
    found = []
    in_text = False
    for line in lines:
        prompt = next((p for p in ("$ ", "host# ") if line.startswith(p)), None)
        if in_text:
            found[-1][1] += "\n" + line
            found[-1][2].append(line)
            in_text = line != "END"
        elif prompt:
            found.append([prompt, line.removeprefix(prompt), [line], []])
            in_text = "<<END" in line
        else:
            found[-1][3].append(line)
    return found


def masked(lines):
    """What is compared: times, durations and widths do not count."""
    out = []
    for line in lines:
        line = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", line)
        line = re.sub(r"\b\d+(\.\d+)? s\b", "DURATION", line)
        out.append(re.sub(r" +", " ", line).strip())
    return [line for line in out if line]


def agree(wanted, got):
    """True if `wanted`, where `...` stands for any lines, is what came."""
    if not wanted:
        return not got
    if wanted[0] == "...":
        return any(agree(wanted[1:], got[skip:]) for skip in range(len(got) + 1))
    return bool(got) and wanted[0] == got[0] and agree(wanted[1:], got[1:])


def run(command, stdin=""):
    return subprocess.run(
        ["bash", "-ec", command], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=TOP,
        timeout=250, check=False,
    )


def run_at_top(command):
    result = run(INSTEAD.get(command, command).replace("sudo ", ""))
    if result.returncode != 0:
        sys.exit(f"README: `{command}` exits {result.returncode}:\n{result.stdout}")
    return result.stdout.splitlines()


def run_on_host(typed):
    """All commands in one playground, typed no faster than a person would; their answers."""
    script = "".join(f"sleep 1\n{command}\necho '{MARK}'\n" for command in typed)
    result = run("integration/playground 2>&1", script)
    answers = result.stdout.split(MARK + "\n")
    if result.returncode != 0 or len(answers) != len(typed) + 1:
        sys.exit(f"README: the playground exits {result.returncode}:\n{result.stdout}")
    return [answer.splitlines() for answer in answers[:-1]]


def answers_to(found):
    """What each command answers now, in order. All that is typed on the host is typed in one playground."""
    on_host = iter(run_on_host([command for prompt, command, _, _ in found if prompt == "host# "]))
    answers = []
    for prompt, command, _, _ in found:
        if prompt == "host# ":
            answers.append(next(on_host))
        elif command == PLAYGROUND:
            answers.append([])
        else:
            answers.append(run_at_top(command))
    return answers


def main():
    update = sys.argv[1:] == ["--update"]
    lines = README.read_text().splitlines()
    places = list(blocks(lines))
    by_block = [commands(lines[begin:end]) for begin, end in places]
    answers = iter(answers_to([command for block in by_block for command in block]))
    wrong = 0
    new_blocks = []
    for block in by_block:
        new_blocks.append([])
        for _, command, written, wanted in block:
            got = next(answers)
            fits = command in NOT_COMPARED or agree(masked(wanted), masked(got))
            print("ok:" if fits else "differs:", command.splitlines()[0])
            if not fits:
                wrong += 1
                print(*difflib.unified_diff(wanted, got, "README.md", "now", lineterm=""), sep="\n")
            new_blocks[-1] += written + (wanted if fits else got)
    if update:
        for (begin, end), new in reversed(list(zip(places, new_blocks))):
            lines[begin:end] = new
        README.write_text("\n".join(lines) + "\n")
        return 0
    ran = sum(len(block) for block in by_block)
    print(f"{ran} commands, {wrong} answer otherwise")
    return 1 if wrong or not ran else 0


if __name__ == "__main__":
    os.environ.setdefault("NO_COLOR", "1")
    sys.exit(main())
