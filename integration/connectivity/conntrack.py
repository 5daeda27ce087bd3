# SPDX-License-Identifier: GPL-2.0-or-later
"""Connection tracking of a namespace."""
import errno
import os
import socket
import struct

NETLINK_NETFILTER = 12
NLM_F_REQUEST, NLM_F_ACK = 1, 4
NLMSG_ERROR = 2
# linux/netfilter/nfnetlink_conntrack.h: subsystem in the upper byte, message in the lower one
IPCTNL_MSG_CT_DELETE = 1 << 8 | 2


def flush(namespace):
    """Forgets every connection, of all families: a delete that names none is meant for all."""
    nfgenmsg = struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)
    flags = NLM_F_REQUEST | NLM_F_ACK
    message = struct.pack("=IHHII", 16 + len(nfgenmsg), IPCTNL_MSG_CT_DELETE, flags, 1, 0) + nfgenmsg
    with namespace.entered(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as kernel:
        kernel.settimeout(10)
        kernel.send(message)
        answer = kernel.recv(4096)
    kind, error = struct.unpack_from("=H", answer, 4)[0], -struct.unpack_from("=i", answer, 16)[0]
    if kind != NLMSG_ERROR or error not in (0, errno.ENOENT):
        raise OSError(error, f"flushing conntrack: {os.strerror(error)}")
