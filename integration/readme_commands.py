#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs every command of README.md and compares what it prints with what stands there.

    readme_commands.py [--update]      --update writes into README.md what was printed

Lines that begin with `$ ` are typed at the top of the repository, those with `host# ` in integration/playground, the
same for all of them; blocks with other prompts are integration/tutorial's. Times are compared only for being there, runs
of spaces as one; a line `...` stands for any lines. `sudo` is left out: the test has the rights that it has.
"""
import difflib
import os
import pathlib
import subprocess
import sys

from console_blocks import agree, blocks, commands, masked, replaced

TOP = pathlib.Path(__file__).resolve().parent.parent
README = TOP / "README.md"
PLAYGROUND = "sudo integration/playground"
PROMPTS = ("$ ", "host# ")
MARK = "--- end of answer ---"
# What a test does not run as it stands, because it would run itself or build everything again: what is run instead.
INSTEAD = {
    "sudo tests/run": "tests/run --list",
    "cmake --preset release && cmake --build --preset release":
        "d=$(mktemp -d) && cmake --preset release -B $d && cmake --build $d --target help && rm -rf $d",
}
NOT_COMPARED = {*INSTEAD, PLAYGROUND}


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
    places = [(begin, end) for begin, end in blocks(lines) if commands(lines[begin:end], PROMPTS)]
    by_block = [commands(lines[begin:end], PROMPTS) for begin, end in places]
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
        README.write_text("\n".join(replaced(lines, places, new_blocks)) + "\n")
        return 0
    ran = sum(len(block) for block in by_block)
    print(f"{ran} commands, {wrong} answer otherwise")
    return 1 if wrong or not ran else 0


if __name__ == "__main__":
    os.environ.setdefault("NO_COLOR", "1")
    sys.exit(main())
