#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Types the commands of README.md's tutorial and compares what they answer with what stands there.

    readme_tutorial.py [--update] SESSION LAPTOP

SESSION is a file with a command line, a word in each line: a shell on the host, which stays; `web1# ` is typed there.
LAPTOP is a program that runs what is typed at `laptop$ `. --update writes into README.md what was answered.
"""
import difflib
import pathlib
import subprocess
import sys
import time

from console_blocks import agree, blocks, commands, masked, replaced

README = pathlib.Path(__file__).resolve().parent.parent / "README.md"
ON_HOST, AT_LAPTOP = PROMPTS = ("web1# ", "laptop$ ")
# What a person would wait for without being told.
UNTIL = {"systemd-run --quiet python3 -m http.server 8000": "until ss -Hltn | grep -q ':8000 '; do sleep 0.1; done"}
MARK = "--- end of answer ---"


class Session:
    """A shell that stays."""

    def __init__(self, words):
        self.shell = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      text=True)

    def type(self, command):
        self.shell.stdin.write(f"{{ {command}\n}} 2>&1 </dev/null\necho \"{MARK} $?\"\n")
        self.shell.stdin.flush()
        answer = []
        for line in self.shell.stdout:
            if line.startswith(MARK):
                return answer, int(line.removeprefix(MARK))
            answer.append(line.rstrip("\n"))
        return answer, -1


def type_at_laptop(laptop, command):
    result = subprocess.run([laptop, command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, timeout=60, check=False)
    return result.stdout.splitlines(), result.returncode


def main():
    update = sys.argv[1:2] == ["--update"]
    words, laptop = sys.argv[-2:]
    session = Session(pathlib.Path(words).read_text().splitlines())
    lines = README.read_text().splitlines()
    places = [(begin, end) for begin, end in blocks(lines) if commands(lines[begin:end], PROMPTS)]
    wrong = ran = 0
    new_blocks = []
    for begin, end in places:
        new_blocks.append([])
        for prompt, command, written, wanted in commands(lines[begin:end], PROMPTS):
            time.sleep(1)  # no faster than a person types
            got, status = session.type(command) if prompt == ON_HOST else type_at_laptop(laptop, command)
            session.type(UNTIL.get(command, "true"))
            fits = status == 0 and agree(masked(wanted), masked(got))
            print("ok:" if fits else f"differs, exit {status}:", written[0])
            ran += 1
            if not fits:
                wrong += 1
                print(*difflib.unified_diff(wanted, got, "README.md", "now", lineterm=""), sep="\n")
            new_blocks[-1] += written + (wanted if fits else got)
    if update:
        README.write_text("\n".join(replaced(lines, places, new_blocks)) + "\n")
        return 0
    print(f"{ran} commands, {wrong} answer otherwise")
    return 1 if wrong or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
