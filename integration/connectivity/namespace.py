# SPDX-License-Identifier: GPL-2.0-or-later
"""A network namespace, and what is done inside one."""
import contextlib
import ctypes
import os
import socket
import subprocess

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


class CommandFailed(Exception):
    """A program that builds the network failed: nothing can be said of the case."""


def call(function, *arguments):
    if function(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{function.__name__}: {os.strerror(error)}")


def current():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


class Namespace:
    """Empty, but for `lo`. It has no name: it is gone when this process has ended, and all that was started in it."""

    def __init__(self):
        home = current()
        call(libc.unshare, CLONE_NEWNET)
        self.handle = current()
        call(libc.setns, home, CLONE_NEWNET)
        os.close(home)

    @contextlib.contextmanager
    def entered(self):
        """Sockets that are made here belong to it for ever, programs that are started here run in it."""
        home = current()
        call(libc.setns, self.handle, CLONE_NEWNET)
        try:
            yield
        finally:
            call(libc.setns, home, CLONE_NEWNET)
            os.close(home)

    def path(self):
        # The number that /proc knows, which is another one if /proc shows an outer process namespace.
        return f"/proc/{os.readlink('/proc/self')}/fd/{self.handle}"

    def socket(self, family, kind, protocol=0):
        with self.entered():
            made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made

    def run(self, *command, text):
        """Runs a program that reads `text`."""
        with self.entered():
            done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CommandFailed(f"{' '.join(command)}: {done.stderr.strip()}")

    def ip(self, *lines):
        if lines:
            self.run("ip", "-batch", "-", text="\n".join(lines) + "\n")

    def nft(self, text):
        self.run("nft", "-f", "-", text=text)

    def sysctl(self, **values):
        """Names with `__` for the dots: a value is written to each that this kernel has."""
        with self.entered():
            for name, value in values.items():
                path = "/proc/sys/net/" + name.replace("__", "/")
                with contextlib.suppress(FileNotFoundError), open(path, "w", encoding="ascii") as file:
                    file.write(str(value))
