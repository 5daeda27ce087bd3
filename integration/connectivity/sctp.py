# SPDX-License-Identifier: GPL-2.0-or-later
"""SCTP messages (RFC 9260), as much of it as an association needs to come up, ask and answer.

Connection tracking checks the sum and the verification tags, so both must be right.
"""
import struct

DATA, INIT, INIT_ACK, SACK, COOKIE_ECHO, COOKIE_ACK = 0, 1, 2, 3, 10, 11
STATE_COOKIE = 7
FIRST_TSN = 1


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)  # Castagnoli's polynomial, reflected
        table.append(byte)
    return table


CRC_TABLE = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def message(source_port, port, tag, *chunks):
    body = b"".join(chunks)
    header = struct.pack("!HHI", source_port, port, tag)
    # The one field that goes out with its lowest byte first.
    return header + struct.pack("<I", crc32c(header + bytes(4) + body)) + body


def chunk(kind, value=b"", flags=0):
    return struct.pack("!BBH", kind, flags, 4 + len(value)) + value + bytes(-len(value) % 4)


def init(kind, tag, cookie=None):
    """INIT or INIT ACK: our tag, window, one stream each way, the first sequence number."""
    parameters = b"" if cookie is None else chunk_parameter(STATE_COOKIE, cookie)
    return chunk(kind, struct.pack("!IIHHI", tag, 65536, 1, 1, FIRST_TSN) + parameters)


def chunk_parameter(kind, value):
    return struct.pack("!HH", kind, 4 + len(value)) + value + bytes(-len(value) % 4)


def data(payload):
    begin_and_end = 3
    return chunk(DATA, struct.pack("!IHHI", FIRST_TSN, 0, 0, 0) + payload, begin_and_end)


def sack():
    return chunk(SACK, struct.pack("!IIHH", FIRST_TSN, 65536, 0, 0))


def read(packet):
    """(source port, port, tag, {kind: value}), or None if it is no whole message or its sum is wrong."""
    if len(packet) < 12 or crc32c(packet[:8] + bytes(4) + packet[12:]) != struct.unpack_from("<I", packet, 8)[0]:
        return None
    chunks, at = {}, 12
    while at + 4 <= len(packet):
        kind, _, length = struct.unpack_from("!BBH", packet, at)
        if length < 4 or at + length > len(packet):
            return None
        chunks[kind] = packet[at + 4:at + length]
        at += (length + 3) // 4 * 4
    return (*struct.unpack_from("!HHI", packet), chunks)


def tag_of(init_value):
    return struct.unpack_from("!I", init_value)[0]


def cookie_of(init_ack_value):
    """The first parameter, which we only understand if it is the cookie."""
    kind, length = struct.unpack_from("!HH", init_ack_value, 16)
    return init_ack_value[20:16 + length] if kind == STATE_COOKIE else None


def payload_of(data_value):
    return data_value[12:]
