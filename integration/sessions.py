#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP sessions that are there before something happens, and that must not stall after it.

    sessions.py serve READY_FILE GO_FILE
        answers on four ports of all addresses, each in its way:
          9000 sends back what comes             9002 takes what comes, and never says anything
          9001 only sends, all the time          9003 says nothing until GO_FILE is there, then a word
    sessions.py talk READY_FILE GO_FILE INTERVAL COUNT PORTS ADDRESS...
        COUNT sessions with each of PORTS (9000,9001) of each address; READY_FILE says that all are made. A session with
        something to say says it every INTERVAL seconds. When GO_FILE is there, each must get on within PATIENCE.
        Prints `SESSIONS STALLED`, and each that stalled.
"""
import array
import asyncio
import fcntl
import pathlib
import sys
import termios

ECHO, SOURCE, SINK, LATE = 9000, 9001, 9002, 9003
PATIENCE = 8  # seconds: a packet lost on the way is sent again well before
STEP = 0.05


async def appears(path):
    while not pathlib.Path(path).exists():
        await asyncio.sleep(STEP)


# --- the answering side


async def echo(reader, writer):
    while data := await reader.read(1000):
        writer.write(data)
        await writer.drain()


async def source(_, writer):
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(STEP)


async def sink(reader, _):
    while await reader.read(1000):
        pass


async def serve(ready, go):
    async def late(_, writer):
        await appears(go)
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(3600)

    def quietly(answer):
        async def handle(reader, writer):
            try:
                await answer(reader, writer)
            except OSError:
                pass
            finally:
                writer.close()

        return handle

    for port, answer in ((ECHO, echo), (SOURCE, source), (SINK, sink), (LATE, late)):
        await asyncio.start_server(quietly(answer), ["0.0.0.0", "::"], port, backlog=1000)
    pathlib.Path(ready).touch()
    await asyncio.sleep(3600)


# --- the side that began


def unacknowledged(writer):
    count = array.array("i", [0])
    fcntl.ioctl(writer.get_extra_info("socket").fileno(), termios.TIOCOUTQ, count)
    return count[0]


class Session:
    def __init__(self, address, port, reader, writer):
        self.name = f"{address} {port}"
        self.port, self.reader, self.writer = port, reader, writer
        self.got = 0

    async def read(self):
        while data := await self.reader.read(1000):
            self.got += len(data)

    async def speak(self, interval):
        while self.port in (ECHO, SINK):
            self.writer.write(b"x")
            await asyncio.sleep(interval)

    async def gets_on(self):
        """True if what is sent from now on arrives, and what is awaited comes."""
        before = 0 if self.port == LATE else self.got  # the late word may have come before we look
        if self.port == SINK:
            self.writer.write(b"y")
            await asyncio.sleep(STEP)
        for _ in range(int(PATIENCE / STEP)):
            if self.port == SINK and unacknowledged(self.writer) == 0:
                return True
            if self.port != SINK and self.got > before:
                return True
            await asyncio.sleep(STEP)
        return False


async def talk(ready, go, interval, count, ports, addresses):
    sessions, tasks = [], []
    for address in addresses:
        for port in ports:
            for _ in range(count):
                session = Session(address, port, *await asyncio.open_connection(address, port))
                sessions.append(session)
                tasks += [asyncio.create_task(session.read()), asyncio.create_task(session.speak(interval))]
    pathlib.Path(ready).touch()
    await appears(go)
    progress = await asyncio.gather(*(session.gets_on() for session in sessions))
    stalled = [session.name for session, gets_on in zip(sessions, progress) if not gets_on]
    print(len(sessions), len(stalled))
    print(*stalled, sep="\n")
    for task in tasks:
        task.cancel()


def main(arguments):
    if arguments[0] == "serve":
        asyncio.run(serve(*arguments[1:3]))
    else:
        ready, go, interval, count, ports = arguments[1:6]
        asyncio.run(talk(ready, go, float(interval), int(count), [int(p) for p in ports.split(",")], arguments[6:]))


if __name__ == "__main__":
    main(sys.argv[1:])
