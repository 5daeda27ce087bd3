# SPDX-License-Identifier: GPL-2.0-or-later
"""What a fact is made of: the list of them, and expectations."""
import errno
import time

from facts.host import Refused, hits, nft
from facts.netlink import KernelError

facts = []


class Skipped(Exception):
    """This kernel has no such thing."""


def fact(function):
    """Its first line of text is the statement; it returns if the statement is true of this kernel."""
    facts.append(function)
    return function


def expect(what, came, wanted):
    if came != wanted:
        raise AssertionError(f"{what}: {came!r} instead of {wanted!r}")


def expect_refused(why, text):
    try:
        nft(text)
    except Refused as refused:
        if why not in str(refused):
            raise AssertionError(f"refused, but not for {why!r}: {refused}") from None
    else:
        raise AssertionError(f"not refused for {why!r}: {text}")


def expect_error(number, function, *arguments, **named):
    try:
        function(*arguments, **named)
    except KernelError as error:
        expect("the error", error.number, number)
    else:
        raise AssertionError(f"no {errno.errorcode[number]}")


def eventually(condition, seconds=3):
    deadline = time.monotonic() + seconds
    while not (done := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return done


def expect_hits(wanted={}, /, **more):
    """The counts of rules, by comment; of those that should be hit as soon as they are."""
    wanted = wanted | more
    for comment, number in wanted.items():
        eventually(lambda: hits(comment) >= number)
    expect("packets", {comment: hits(comment) for comment in wanted}, wanted)
