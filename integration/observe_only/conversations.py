# SPDX-License-Identifier: GPL-2.0-or-later
"""Random packets through, to and from the policed host, made byte by byte: the same list can be sent again."""
import socket
import struct
from dataclasses import dataclass

import packet

from documents import PORTS

MAGIC = b"observe-only"  # in every packet, so that no other is taken for one of them
HOPS_LEFT = (1, 2, 3, 64, 128, 255)
TCP_FIN, TCP_SYN, TCP_RST, TCP_ACK = 1, 2, 4, 16
ECHO = {4: (8, 0), 6: (128, 129)}
UNREACHABLE = {4: 3, 6: 1}
ICMP = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
EXPERIMENT = 253  # a protocol without ports

NUMBERS = {"client": 1, "server": 2, "web": 3, "db": 4, "box": 5}
SERVICE = {4: "10.99.0.1", 6: "fd99::1"}  # port 80 is the host's, 81 is web's 8080: see observe-only.sh
STRANGER = {4: "203.0.113.9", 6: "2001:db8:9::9"}


@dataclass(frozen=True)
class Packet:
    sender: str  # a neighbour, or host
    destination: str
    data: bytes
    mark: int = 0  # of the host's own


def address(name, family, seen_by=None):
    """Of a neighbour, or of the host as the neighbour `seen_by` sees it."""
    number, last = (NUMBERS[seen_by], 1) if name == "host" else (NUMBERS[name], 2)
    return f"10.77.{number}.{last}" if family == 4 else f"fd77:{number}::{last}"


class Writer:
    """Writes packets with random hop limits, DSCP and identifications."""

    def __init__(self, random, mark_bit):
        self.random, self.mark_bit, self.packets = random, mark_bit, []

    def payload(self):
        return MAGIC + struct.pack("!I", len(self.packets)) + self.random.randbytes(self.random.randint(0, 40))

    def add(self, sender, source, destination, protocol, data, hops=None, identification=None, fragment=0):
        hops = hops or self.random.choice(HOPS_LEFT)
        identification = identification or self.random.randint(1, 65535)
        tos = self.random.randrange(64) << 2
        whole = header(source, destination, protocol, len(data), hops, tos, identification, fragment) + data
        mark = self.mark_bit | self.random.choice([0, 0x5A]) if sender == "host" else 0
        self.packets.append(Packet(sender, destination, whole, mark))


MORE_FRAGMENTS = 0x2000  # beside the offset in units of 8 bytes


def header(source, destination, protocol, length, hops, tos, identification, fragment):
    family = packet.family_of(source)
    addresses = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    if family == socket.AF_INET6:
        return struct.pack("!IHBB", 6 << 28 | tos << 20, length, protocol, hops) + addresses
    made = struct.pack("!BBHHHBBH", 0x45, tos, 20 + length, identification, fragment, hops, protocol, 0) + addresses
    return made[:10] + struct.pack("!H", packet.internet_checksum(made)) + made[12:]


def tcp(source, destination, source_port, port, flags, sequence, acknowledged, payload):
    made = struct.pack("!HHIIBBHHH", source_port, port, sequence, acknowledged, 5 << 4, flags, 65535, 0, 0) + payload
    checksum = packet.internet_checksum(packet.with_pseudo_header(source, destination, socket.IPPROTO_TCP, made))
    return made[:16] + struct.pack("!H", checksum) + made[18:]


def icmp(source, destination, kind, code, rest, payload):
    family = 6 if ":" in source else 4
    made = struct.pack("!BBH", kind, code, 0) + rest + payload
    summed = packet.with_pseudo_header(source, destination, ICMP[6], made) if family == 6 else made
    return made[:2] + struct.pack("!H", packet.internet_checksum(summed)) + made[4:]


def sctp(source_port, port, payload):
    """An INIT with what follows as a parameter that nobody knows; the checksum is not what CRC32c wants."""
    parameter = struct.pack("!HH", 0x8001, 4 + len(payload)) + payload + bytes(-len(payload) % 4)
    chunk = struct.pack("!BBHIIHHI", 1, 0, 20 + len(parameter), 99, 65535, 1, 1, 1) + parameter
    return struct.pack("!HHII", source_port, port, 0, 0) + chunk


def traffic(random, conversations, mark_bit):
    """No two conversations have a port in common: where two connections clash, NAT gives one a random port."""
    writer = Writer(random, mark_bit)
    for source_port in random.sample(range(1024, 60000), conversations):
        conversation(random, writer, source_port)
    return writer.packets


def conversation(random, writer, source_port):
    """What one host sends another and what that answers, whether or not it heard."""
    family = random.choice([4, 6])
    one, other = random.sample([*NUMBERS, "host", "host"], 2)
    if one == other == "host":
        other = "client"
    source = address(one, family, other)
    destination = answers_as = address(other, family, one)
    port = answer_port = random.choice(PORTS)
    by_nat = random.random() < 0.2 and one not in ("host", "web")
    if by_nat:
        other, destination, port, answer_port = *random.choice(
            [("host", SERVICE[family], 80, 8080), ("web", SERVICE[family], 81, 8080)]),
        answers_as = address(other, family, one)
    if one != "host" and random.random() < 0.1:
        source = STRANGER[family]
    ends = Ends(one, other, source, destination, answers_as, source_port, port, answer_port, by_nat)
    random.choice([over_tcp, over_tcp, over_udp, over_udp, over_echo, over_sctp, over_experiment, oddities])(
        random, writer, ends, family)


@dataclass(frozen=True)
class Ends:
    one: str
    other: str
    source: str
    destination: str
    answers_as: str
    source_port: int
    port: int
    answer_port: int
    by_nat: bool  # then nothing follows the answer: if it began a connection, that would clash with the request's


def over_tcp(random, writer, ends, _):
    there = (ends.source, ends.destination, ends.source_port, ends.port)
    back = (ends.answers_as, ends.source, ends.answer_port, ends.source_port)
    segments = ((ends.one, there, TCP_SYN, 1000, 0), (ends.other, back, TCP_SYN | TCP_ACK, 5000, 1001),
                (ends.one, there, TCP_ACK, 1001, 5001), (ends.other, back, TCP_ACK, 5001, 1001))
    for sender, way, flags, sequence, acknowledged in segments[:2 if ends.by_nat else 4]:
        segment = tcp(*way, flags, sequence, acknowledged, writer.payload())
        writer.add(sender, way[0], way[1], socket.IPPROTO_TCP, segment)


def over_udp(random, writer, ends, _):
    for _ in range(1 if ends.by_nat else random.randint(1, 2)):
        writer.add(ends.one, ends.source, ends.destination, socket.IPPROTO_UDP,
                   packet.udp(ends.source, ends.destination, ends.source_port, ends.port, writer.payload()))
        writer.add(ends.other, ends.answers_as, ends.source, socket.IPPROTO_UDP,
                   packet.udp(ends.answers_as, ends.source, ends.answer_port, ends.source_port, writer.payload()))


def over_echo(_, writer, ends, family):
    request, reply = ECHO[family]
    rest = struct.pack("!HH", ends.source_port, 1)
    writer.add(ends.one, ends.source, ends.destination, ICMP[family],
               icmp(ends.source, ends.destination, request, 0, rest, writer.payload()))
    writer.add(ends.other, ends.answers_as, ends.source, ICMP[family],
               icmp(ends.answers_as, ends.source, reply, 0, rest, writer.payload()))


def over_sctp(_, writer, ends, family):
    writer.add(ends.one, ends.source, ends.destination, socket.IPPROTO_SCTP,
               sctp(ends.source_port, ends.port, writer.payload()))


def over_experiment(_, writer, ends, family):
    writer.add(ends.one, ends.source, ends.destination, EXPERIMENT, writer.payload())
    writer.add(ends.other, ends.answers_as, ends.source, EXPERIMENT, writer.payload())


def oddities(random, writer, ends, family):
    """What connection tracking calls invalid, errors about a packet, fragments."""
    random.choice([bad_checksum, stray_segment, refused, in_fragments])(random, writer, ends, family)


def bad_checksum(_, writer, ends, __):
    made = bytearray(packet.udp(ends.source, ends.destination, ends.source_port, ends.port, writer.payload()))
    made[6] ^= 0x55
    writer.add(ends.one, ends.source, ends.destination, socket.IPPROTO_UDP, bytes(made))


def stray_segment(random, writer, ends, _):
    flags = random.choice([TCP_RST, TCP_FIN | TCP_SYN, TCP_ACK, 0])
    writer.add(ends.one, ends.source, ends.destination, socket.IPPROTO_TCP,
               tcp(ends.source, ends.destination, ends.source_port, ends.port, flags, 77, 78, writer.payload()))


def refused(_, writer, ends, family):
    """A datagram, and the error about it: once of that flow, once of one that nobody knows."""
    writer.add(ends.one, ends.source, ends.destination, socket.IPPROTO_UDP,
               packet.udp(ends.source, ends.destination, ends.source_port, ends.port, writer.payload()))
    for quoted_port in (ends.source_port, 1023):
        datagram = packet.udp(ends.source, ends.answers_as, quoted_port, ends.answer_port, writer.payload())
        quoted = header(ends.source, ends.answers_as, socket.IPPROTO_UDP, len(datagram), 60, 0, 1, 0) + datagram
        writer.add(ends.other, ends.answers_as, ends.source, ICMP[family],
                   icmp(ends.answers_as, ends.source, UNREACHABLE[family], 4 if family == 6 else 3, bytes(4), quoted))


def in_fragments(random, writer, ends, family):
    """Only of IPv4, where the header says so."""
    if family == 6 or ends.one == "host":
        over_udp(random, writer, ends, family)
        return
    datagram = packet.udp(ends.source, ends.destination, ends.source_port, ends.port, MAGIC * 23)
    cut, identification = 200, random.randint(1, 65535)
    for data, fragment in ((datagram[:cut], MORE_FRAGMENTS), (datagram[cut:], cut // 8)):
        writer.add(ends.one, ends.source, ends.destination, socket.IPPROTO_UDP, data, hops=64,
                   identification=identification, fragment=fragment)
