# SPDX-License-Identifier: GPL-2.0-or-later
"""One new connection, from request to answer.

A probe returns ANSWERED or REFUSED; one that hears nothing does not return, and whoever waits for it gives up.
"""
import asyncio
import contextlib
import enum
import errno
import os
import socket
import struct
from dataclasses import dataclass
from typing import Optional

import packet
import responder
import sctp

AGAIN_AFTER = 0.1  # seconds; datagrams may be lost on the way to a neighbour whose address is not yet known
ETH_P_ALL = 3
PACKET_OUTGOING = 4
REFUSALS = {errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EHOSTUNREACH, errno.ENETUNREACH,
            errno.EACCES, errno.ENOPROTOOPT, errno.EPROTO}


class Outcome(enum.Enum):
    ANSWERED = "answered"
    REFUSED = "refused"
    SILENT = "no answer"


@dataclass(frozen=True)
class Attempt:
    """Who asks whom. `node` is where the probe leaves from; no source port means any."""
    node: object
    address: str
    protocol: object
    port: Optional[int]
    source_port: Optional[int]

    @property
    def family(self):
        return packet.family_of(self.address)

    def target(self):
        return (self.address, self.port if self.port is not None else 0)


async def probe(attempt):
    try:
        if attempt.protocol in responder.kernel_streams():
            return await over_stream(attempt)
        if attempt.protocol == "udp":
            return await over_datagrams(attempt)
        if attempt.protocol == "sctp":
            return await over_crafted_sctp(attempt)
        if attempt.protocol in ("icmp", "icmpv6"):
            return await over_echo(attempt)
        return await over_packets(attempt)
    except OSError as error:
        if error.errno in REFUSALS:
            return Outcome.REFUSED
        raise


def client_socket(attempt, kind, protocol=0):
    """It is bound if it must be: to no address, so that the route chooses it."""
    client = attempt.node.namespace.socket(attempt.family, kind, protocol)
    if attempt.source_port is not None and kind != socket.SOCK_RAW:
        responder.share_port(client)
        client.bind(("::" if attempt.family == socket.AF_INET6 else "0.0.0.0", attempt.source_port))
    return client


async def over_stream(attempt):
    loop = asyncio.get_running_loop()
    request = os.urandom(16)
    with client_socket(attempt, socket.SOCK_STREAM, responder.STREAMS[attempt.protocol]) as client:
        responder.end_abruptly(client)
        await loop.sock_connect(client, attempt.target())
        await loop.sock_sendall(client, request)
        answer = b""
        while len(answer) < len(request):
            received = await loop.sock_recv(client, 2048)
            if not received:
                return Outcome.REFUSED
            answer += received
        return outcome_of(answer, request)


def outcome_of(answer, expected):
    if answer != expected:
        raise RuntimeError(f"the answer is {answer!r}, expected {expected!r}")
    return Outcome.ANSWERED


async def over_datagrams(attempt):
    request = os.urandom(16)
    with client_socket(attempt, socket.SOCK_DGRAM) as client:
        client.connect(attempt.target())
        await ask(client, request, lambda answer: answer == request)
    return Outcome.ANSWERED


async def over_packets(attempt):
    """A protocol without ports; both ends are ours."""
    token = os.urandom(16)
    await ask_raw(attempt, responder.REQUEST + token, lambda payload: payload == responder.ANSWER + token)
    return Outcome.ANSWERED


async def over_echo(attempt):
    """ICMP, which the other kernel answers. A socket on the same host sees requests too, hence the type."""
    token = os.urandom(16)
    request = packet.echo_request(attempt.family, struct.unpack("!H", token[:2])[0], token)
    reply = 129 if attempt.family == socket.AF_INET6 else 0
    await ask_raw(attempt, request, lambda payload: payload[0] == reply and payload[8:] == token)
    return Outcome.ANSWERED


async def ask_raw(attempt, request, is_answer):
    with client_socket(attempt, socket.SOCK_RAW, packet.number_of(attempt.protocol)) as client:
        client.connect((attempt.address, 0))
        await ask(client, request, lambda data: is_answer(packet.without_ip_header(attempt.family, data)))


async def over_crafted_sctp(attempt):
    """The four messages that bring an association up, the third with the request, the fourth with its answer."""
    token = os.urandom(16)
    tag = struct.unpack("!I", token[:4])[0] or 1
    source_port = attempt.source_port or 32768 + struct.unpack("!H", token[4:6])[0] % 28000

    def answer_in(data):
        message = sctp.read(packet.without_ip_header(attempt.family, data))
        if message is None or message[:3] != (attempt.port, source_port, tag):
            return {}
        return message[3]

    with client_socket(attempt, socket.SOCK_RAW, socket.IPPROTO_SCTP) as client:
        client.connect((attempt.address, 0))
        init = sctp.message(source_port, attempt.port, 0, sctp.init(sctp.INIT, tag))
        agreed = answer_in(await ask(client, init, lambda data: sctp.INIT_ACK in answer_in(data)))[sctp.INIT_ACK]
        echo = sctp.message(source_port, attempt.port, sctp.tag_of(agreed),
                            sctp.chunk(sctp.COOKIE_ECHO, sctp.cookie_of(agreed)), sctp.data(token))
        answer = answer_in(await ask(client, echo, lambda data: sctp.COOKIE_ACK in answer_in(data)))
        return outcome_of(sctp.payload_of(answer[sctp.DATA]), token)


async def ask(client, request, is_answer):
    """Sends it until the answer has come, and returns that."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            await loop.sock_sendall(client, request)
        except OSError as error:
            if error.errno != errno.EPERM:  # this one means that the own host's policy drops it: silence, not refusal
                raise
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AGAIN_AFTER):
                while True:
                    data = await loop.sock_recv(client, 2048)
                    if is_answer(data):
                        return data


# --- another's address --------------------------------------------------------------------------------------------------


async def spoofed(attempt, owner_address, watched):
    """The answer to a request that bears another's address goes to that one, so who asks cannot hear it.

    Answered is what was seen in one of the namespaces `watched`: the request where it was meant to go, or an answer at
    the owner of the address. Neither must be seen if spoofing is prevented.
    """
    source_port = attempt.source_port or 32768 + struct.unpack("!H", os.urandom(2))[0] % 28000
    request, seen_as = spoofed_request(attempt, owner_address, source_port)
    with contextlib.ExitStack() as sockets:
        watchers = [sockets.enter_context(
            namespace.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))) for namespace in watched]
        sender = sockets.enter_context(
            attempt.node.namespace.socket(attempt.family, socket.SOCK_RAW, socket.IPPROTO_RAW))
        await asyncio.get_running_loop().sock_sendto(sender, request, (attempt.address, 0))
        tasks = [asyncio.create_task(sight(watcher, seen_as)) for watcher in watchers]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return Outcome.ANSWERED


def spoofed_request(attempt, owner_address, source_port):
    """The packet, and the (source, destination, protocol number, first bytes) of it and of its answer."""
    source, destination, port = owner_address, attempt.address, attempt.port
    token = os.urandom(16)
    ports = [struct.pack("!HH", *pair) for pair in ((source_port, port or 0), (port or 0, source_port))]
    if attempt.protocol == "tcp":
        payload = packet.tcp_syn(source, destination, source_port, port)
    elif attempt.protocol == "udp":
        payload = packet.udp(source, destination, source_port, port, token)
    elif attempt.protocol == "sctp":
        payload = sctp.message(source_port, port, 0, sctp.init(sctp.INIT, 1))
    else:
        payload = responder.REQUEST + token
        ports = [payload, responder.ANSWER + token]
    number = packet.number_of(attempt.protocol)
    seen_as = {(source, destination, number, ports[0]), (destination, source, number, ports[1])}
    return packet.ip(source, destination, number, payload), seen_as


async def sight(watcher, seen_as):
    loop = asyncio.get_running_loop()
    while True:
        data, (_, _, direction, *_) = await loop.sock_recvfrom(watcher, 2048)
        parts = packet.split_ip(data)
        if direction == PACKET_OUTGOING or parts is None:
            continue
        if any(parts[:3] == seen[:3] and parts[3].startswith(seen[3]) for seen in seen_as):
            return
