# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases tried out several at a time, each in a process of its own."""
import asyncio
import multiprocessing
import multiprocessing.connection
import pathlib
import shutil
import tempfile
import time

from trial import Findings

processes = multiprocessing.get_context("fork")


def try_all(cases, trial, options, jobs):
    """Yields (case, findings), in the order of the cases. `trial` is Trial, or what is derived from it."""
    waiting = list(enumerate(cases))
    running, found = {}, {}
    reported = 0
    while reported < len(cases):
        while waiting and len(running) < jobs:
            number, case = waiting.pop(0)
            process, answer = start(case, trial, options)
            running[answer] = (number, case, process, time.monotonic() + seconds_for(case))
        for answer in multiprocessing.connection.wait(list(running), timeout=1):
            number, case, process, _ = running.pop(answer)
            found[number] = received(answer, case)
            process.join()
        for answer, (number, case, process, deadline) in list(running.items()):
            if time.monotonic() > deadline:
                process.kill()  # the daemons die with it
                process.join()
                del running[answer]
                found[number] = nothing_of(case, "it did not end in time")
        while reported in found:
            yield cases[reported], found.pop(reported)
            reported += 1


def seconds_for(case):
    return 60 + 30 * len(case.steps)


def start(case, trial, options):
    ours, theirs = processes.Pipe(duplex=False)
    process = processes.Process(target=try_one, args=(case, trial, options, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def try_one(case, trial, options, answer):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="case-"))
    try:
        answer.send(asyncio.run(trial(case, folder, options).run()))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def received(answer, case):
    try:
        return answer.recv()
    except EOFError:
        return nothing_of(case, "the process that tried it ended without a word")


def nothing_of(case, complaint):
    findings = Findings()
    findings.failures = [f"step {number}: {expectation}: not probed: {complaint}"
                         for number, step in enumerate(case.steps, start=1) for expectation in step.expect]
    return findings
