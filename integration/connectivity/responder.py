# SPDX-License-Identifier: GPL-2.0-or-later
"""What answers the probes, on a listener's addresses: each request gets its own bytes back."""
import asyncio
import contextlib
import os
import socket
import struct

import packet
import sctp
from case import protocol_of

# Over protocols without ports each side hears the other's answers as well; only a request is answered.
REQUEST, ANSWER = b"ask ", b"ans "
STREAMS = {"tcp": socket.IPPROTO_TCP, "sctp": socket.IPPROTO_SCTP}


def kernel_speaks_sctp():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError:
        return False
    return True


def kernel_streams():
    """Protocols that real sockets speak here. Packets by hand beside a kernel's own SCTP would be aborted by it."""
    return {"tcp", "sctp"} if kernel_speaks_sctp() else {"tcp"}


class Responders:
    """All listeners of a topology, as tasks of the running loop."""

    def __init__(self):
        self.tasks = []
        self.connections = set()

    def start(self, node, listeners):
        streams = kernel_streams()
        crafted_ports = set()
        for listener in listeners:
            protocol = protocol_of(listener)
            for address in node.addresses:
                if protocol in streams:
                    self.spawn(self.accept(bound_stream(node, address, protocol, listener.port)))
                elif protocol == "udp":
                    self.spawn(answer_datagrams(bound_datagram(node, address, listener.port)))
                elif protocol == "sctp":
                    crafted_ports.add(listener.port)
                elif protocol not in ("icmp", "icmpv6"):  # these the kernel answers
                    self.spawn(answer_packets(bound_raw(node, address, protocol)))
        if crafted_ports:
            for address in node.addresses:
                self.spawn(answer_sctp(bound_raw(node, address, "sctp"), crafted_ports))

    def spawn(self, coroutine):
        self.tasks.append(asyncio.create_task(coroutine))

    async def accept(self, listener):
        while True:
            connection, _ = await asyncio.get_running_loop().sock_accept(listener)
            task = asyncio.create_task(answer_stream(connection))
            self.connections.add(task)
            task.add_done_callback(self.connections.discard)

    async def forget_connections(self):
        """Ends what clients have left, so that their ports are free for the next ones."""
        for task in list(self.connections):
            task.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)

    def broken(self):
        """The first fault of a responder of ours, which would look like silence, or None."""
        return next((task.exception() for task in self.tasks if task.done() and not task.cancelled()), None)


# --- sockets ------------------------------------------------------------------------------------------------------------
# Bound to one address each, so that an answer leaves with the address that was asked.


def bound_stream(node, address, protocol, port):
    listener = node.namespace.socket(packet.family_of(address), socket.SOCK_STREAM, STREAMS[protocol])
    share_port(listener)
    listener.bind((address, port))
    listener.listen(64)
    return listener


def bound_datagram(node, address, port):
    server = node.namespace.socket(packet.family_of(address), socket.SOCK_DGRAM)
    share_port(server)
    server.bind((address, port))
    return server


def bound_raw(node, address, protocol):
    server = node.namespace.socket(packet.family_of(address), socket.SOCK_RAW, packet.number_of(protocol))
    server.bind((address, 0))
    return server


def share_port(made):
    """A probe may have to leave from a port that its host listens on."""
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def end_abruptly(made):
    """Closing it sends a reset and leaves no TIME_WAIT."""
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# --- answers ------------------------------------------------------------------------------------------------------------
# An answer that cannot be sent is one that policy drops on its way out: the probe will notice.


async def answer_stream(connection):
    loop = asyncio.get_running_loop()
    with connection, contextlib.suppress(OSError):
        connection.setblocking(False)
        end_abruptly(connection)
        while data := await loop.sock_recv(connection, 2048):
            await loop.sock_sendall(connection, data)


async def answer_datagrams(server):
    loop = asyncio.get_running_loop()
    while True:
        data, sender = await loop.sock_recvfrom(server, 2048)
        with contextlib.suppress(OSError):
            await loop.sock_sendto(server, data, sender)


async def answer_packets(server):
    loop = asyncio.get_running_loop()
    while True:
        data, sender = await loop.sock_recvfrom(server, 2048)
        payload = packet.without_ip_header(server.family, data)
        if payload.startswith(REQUEST):
            with contextlib.suppress(OSError):
                await loop.sock_sendto(server, ANSWER + payload[len(REQUEST):], sender)


async def answer_sctp(server, ports):
    loop = asyncio.get_running_loop()
    while True:
        data, sender = await loop.sock_recvfrom(server, 2048)
        message = sctp.read(packet.without_ip_header(server.family, data))
        answer = sctp_answer(message) if message is not None and message[1] in ports else None
        if answer is not None:
            with contextlib.suppress(OSError):
                await loop.sock_sendto(server, answer, sender)


def sctp_answer(message):
    """Keeps nothing between two messages: what must be remembered goes to the client and back, in the cookie."""
    client_port, port, _, chunks = message
    if sctp.INIT in chunks:
        client_tag = sctp.tag_of(chunks[sctp.INIT])
        cookie = struct.pack("!I", client_tag)
        our_tag = struct.unpack("!I", os.urandom(4))[0] or 1
        return sctp.message(port, client_port, client_tag, sctp.init(sctp.INIT_ACK, our_tag, cookie))
    if sctp.COOKIE_ECHO in chunks and sctp.DATA in chunks:
        client_tag = struct.unpack("!I", chunks[sctp.COOKIE_ECHO])[0]
        answer = sctp.data(sctp.payload_of(chunks[sctp.DATA]))
        return sctp.message(port, client_port, client_tag, sctp.chunk(sctp.COOKIE_ACK), sctp.sack(), answer)
    return None
