# SPDX-License-Identifier: GPL-2.0-or-later
"""Netfilter's netlink, as far as the nft command does not reach: batches, table flags, NFLOG groups."""
import errno
import select
import socket
import struct
import time

NETLINK_NETFILTER = 12
NLMSG_ERROR, NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE = 2, 1, 4, 0x400
NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END, NFNL_BATCH_GENID = 0x10, 0x11, 1
NFNL_SUBSYS_ULOG, NFNL_SUBSYS_NFTABLES = 4, 10
NFT_MSG_NEWTABLE, NFT_MSG_NEWGEN, NFT_MSG_GETGEN = 0, 15, 16
NFTA_TABLE_NAME, NFTA_TABLE_FLAGS, NFTA_GEN_ID = 1, 2, 1
OWNER, PERSIST = 2, 4  # flags of a table
NFULNL_MSG_PACKET, NFULNL_MSG_CONFIG = 0, 1
NFULA_CFG_CMD, NFULA_CFG_MODE, NFULA_CFG_QTHRESH = 1, 2, 5
NFULNL_CFG_CMD_BIND, NFULNL_COPY_PACKET = 1, 2
NFULA = {
    1: "header",
    3: "timestamp",
    4: "in",
    5: "out",
    8: "hardware",
    9: "payload",
    10: "prefix",
    11: "uid",
    14: "gid",
}


class KernelError(Exception):
    def __init__(self, number):
        super().__init__(errno.errorcode.get(number, str(number)))
        self.number = number


def attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def attributes(data):
    found, offset = {}, 0
    while offset + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, offset)
        found[kind & 0x3FFF] = data[offset + 4 : offset + size]
        offset += (size + 3) & ~3
    return found


def message(kind, flags, sequence, family, resource, payload=b""):
    general = struct.pack("!BBH", family, 0, resource)
    return (
        struct.pack("=IHHII", 16 + len(general) + len(payload), kind, NLM_F_REQUEST | flags, sequence, 0)
        + general
        + payload
    )


class Netlink:
    """One socket; also the owner of what it makes with the flag OWNER."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self.socket.bind((0, 0))
        self.sequence = 100

    def close(self):
        self.socket.close()

    def messages(self, seconds):
        """(kind, attributes or error number) of all that arrives until nothing did for so long."""
        while select.select([self.socket], [], [], seconds)[0]:
            data, offset = self.socket.recv(1 << 17), 0
            while offset + 16 <= len(data):
                size, kind = struct.unpack_from("=IH", data, offset)
                body = data[offset + 16 : offset + size]
                yield (kind, -struct.unpack_from("=i", body)[0]) if kind == NLMSG_ERROR else (
                    kind,
                    attributes(body[4:]),
                )
                offset += (size + 3) & ~3

    def acknowledged(self, *sent):
        """Sends these messages at once and raises the first error that comes before an acknowledgement."""
        self.socket.send(b"".join(sent))
        for kind, answer in self.messages(3):
            if kind == NLMSG_ERROR:
                if answer:
                    raise KernelError(answer)
                return
        raise TimeoutError

    def generation(self):
        kind = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN
        self.socket.send(message(kind, 0, self.sequence, socket.AF_UNSPEC, 0))
        for kind, answer in self.messages(3):
            if kind == NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN:
                return struct.unpack("!I", answer[NFTA_GEN_ID])[0]
        raise TimeoutError

    def new_table(self, name, flags=0, generation=None):
        """One batch that makes a table of family ip, perhaps only if the generation id is still this one."""
        expected = b"" if generation is None else attribute(NFNL_BATCH_GENID, struct.pack("!I", generation))
        body = attribute(NFTA_TABLE_NAME, name.encode() + b"\0") + attribute(NFTA_TABLE_FLAGS, struct.pack("!I", flags))
        self.acknowledged(
            message(NFNL_MSG_BATCH_BEGIN, 0, 1, socket.AF_UNSPEC, NFNL_SUBSYS_NFTABLES, expected),
            message(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK, 2, socket.AF_INET, 0, body),
            message(NFNL_MSG_BATCH_END, 0, 3, socket.AF_UNSPEC, NFNL_SUBSYS_NFTABLES),
        )

    def bind_group(self, group):
        def configure(payload):
            kind = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG
            self.acknowledged(message(kind, NLM_F_ACK, 1, socket.AF_UNSPEC, group, payload))

        configure(attribute(NFULA_CFG_CMD, bytes([NFULNL_CFG_CMD_BIND])))
        configure(attribute(NFULA_CFG_MODE, struct.pack("!IBB", 128, NFULNL_COPY_PACKET, 0)))
        configure(attribute(NFULA_CFG_QTHRESH, struct.pack("!I", 1)))
        return self

    def logged(self, count, seconds=3):
        """So many logged packets, by NFULA's names; fewer if no more come in time."""
        found, deadline = [], time.monotonic() + seconds
        while len(found) < count and time.monotonic() < deadline:
            for kind, answer in self.messages(0.05):
                if kind == NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET:
                    found.append({NFULA[number]: value for number, value in answer.items() if number in NFULA})
        return found
