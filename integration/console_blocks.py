# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands and their answers, as a document shows them: in blocks marked `console`, a line that begins with a prompt is
typed, and what follows it is answered. A command with `<<END` goes on until the line END."""
import re


def blocks(lines):
    """Yields (first, last) line numbers of what is inside each console block."""
    begin = None
    for number, line in enumerate(lines):
        if begin is None and line == "```console":
            begin = number + 1
        elif begin is not None and line == "```":
            yield begin, number
            begin = None


def commands(lines, prompts):
    """Splits a block into (prompt, command, its lines in the document, answer's lines); none if it has other prompts."""
    found = []
    in_text = False
    for line in lines:
        prompt = next((p for p in prompts if line.startswith(p)), None)
        if in_text:
            found[-1][1] += "\n" + line
            found[-1][2].append(line)
            in_text = line != "END"
        elif prompt:
            found.append([prompt, line.removeprefix(prompt), [line], []])
            in_text = "<<END" in line
        elif found:
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


def replaced(lines, places, new_blocks):
    """The document with the insides of its blocks exchanged."""
    lines = list(lines)
    for (begin, end), new in reversed(list(zip(places, new_blocks))):
        lines[begin:end] = new
    return lines
