#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls drywalld with what no honest caller sends; each call must end in the error that is expected of it.

    bus_hostile.py      exit 1 and what was answered otherwise
"""
import os
import socket
import struct
import sys

import dbus

MANAGER = "org.drywall1.Manager"
FLOWS = "org.drywall1.Flows"
PROPERTIES = "org.freedesktop.DBus.Properties"
ROOT = "/org/drywall1"
INVALID = "InvalidArgs"
MOST_MESSAGE = 2048
MOST_STREAMS = 32

bus = dbus.SystemBus()
failures = []


def call(interface, method, signature="", arguments=(), path=ROOT):
    """The name of the error without what all have in common, or "answered"; and the message, or the answer."""
    try:
        return "answered", bus.call_blocking("org.drywall1", path, interface, method, signature, arguments, timeout=60)
    except dbus.DBusException as error:
        return error.get_dbus_name().removeprefix("org.freedesktop.DBus.Error."), error.get_dbus_message()


def expect(wanted, what, got):
    name, message = got
    is_long = name != "answered" and len(message) > MOST_MESSAGE
    if name == wanted and not is_long:
        return print(f"ok: {what}: {name}")
    failures.append(f"{what}: {name} instead of {wanted}: {str(message)[:300]}" + is_long * f" ({len(message)} bytes)")


def wrong_types():
    for method, signature, arguments in (
            ("Reload", "s", ["now"]), ("Status", "as", [[]]), ("Policies", "u", [1]), ("Render", "", []),
            ("Render", "u", [1]), ("Render", "as", [["enforced"]]), ("Render", "ss", ["enforced", "pending"]),
            ("Preview", "", []), ("Preview", "as", [[]]), ("Preview", "aoa{ss}", [[], {}]),
            ("Preview", "asa{sv}", [[], {}]), ("Preview", "sa{ss}", ["a", {}])):
        expect(INVALID, f"{method}({signature})", call(MANAGER, method, signature, arguments))
    for method, signature, arguments in (
            ("List", "a{ss}", [{}]), ("List", "a{ss}ii", [{}, -1, -1]), ("List", "a{sv}uu", [{}, 0, 0]),
            ("List", "a{ss}tt", [{}, 2**64 - 1, 0]), ("Stream", "a{ss}", [{}]), ("Stream", "a{ss}s", [{}, "yes"]),
            ("Stream", "ba{ss}", [True, {}]), ("Statistics", "s", ["all"])):
        expect(INVALID, f"{method}({signature})", call(FLOWS, method, signature, arguments))
    nested = dbus.Int32(1)
    for _ in range(20):
        nested = dbus.Array([nested], signature="v", variant_level=1)
    expect(INVALID, "Render(v), deeply nested", call(MANAGER, "Render", "v", [nested]))


def wrong_values():
    long = "x" * (1 << 20)
    for world in ("both", "Enforced", " ", "\u202e", long):
        expect(INVALID, f"Render({world[:8]!r}), {len(world)} bytes", call(MANAGER, "Render", "s", [world]))
    for policies in (["nothing"], [""], ["GlobalNetworkPolicy/closed", "x"], ["../../etc/passwd"], [long],
                     ["a"] * 10_001, ["y" * 60] * 200_000, ["GlobalNetworkPolicy/closed"]):
        expect(INVALID, f"Preview({str(policies)[:40]}), {len(policies)} policies",
               call(MANAGER, "Preview", "asa{ss}", [policies, {}]))
    for caller in ({"here": "nowhere"}, {"protocol": "tcp"}, {"frobnicate": "1"}, {"here": long}, {"": ""},
                   {"protocol": "tcp", "here": "10.0.0.1", "port_here": "70000", "there": "10.0.0.2", "port_there": "1"},
                   {"protocol": "tcp", "here": "10.0.0.1", "port_here": "1", "there": "::1", "port_there": "-1"},
                   {str(number): "x" for number in range(100_000)}):
        expect(INVALID, f"Preview, caller {str(caller)[:60]}", call(MANAGER, "Preview", "asa{ss}", [[], caller]))
    for key, value in (("frobnicate", "1"), ("", ""), ("since", "yesterday"), ("since", "9" * 400 + "d"), ("port", "70000"),
                       ("port", "-1"), ("port", "," * 60_000), ("protocol", "tcp,tcpp"), ("differs", "perhaps"),
                       ("action", "would-deny"), ("reporter", "both"), ("source", "10.0.0.0/33"), ("port", long),
                       (long, "1"), ("until", "2026-02-30T00:00:00Z")):
        filter_ = dbus.Dictionary({key: value}, signature="ss")
        what = f"{key[:12]}={value[:12]}, {len(value)} bytes"
        expect(INVALID, f"List({what})", call(FLOWS, "List", "a{ss}uu", [filter_, 0, 0]))
        expect(INVALID, f"Stream({what})", call(FLOWS, "Stream", "a{ss}b", [filter_, False]))
    expect("answered", "List, beyond the end", call(FLOWS, "List", "a{ss}uu", [{}, 2**32 - 1, 2**32 - 1]))
    many = dbus.Dictionary({"port": ",".join(str(port) for port in range(1, 10_000))}, signature="ss")
    expect("answered", "List of ten thousand ports", call(FLOWS, "List", "a{ss}uu", [many, 0, 0]))


def what_is_not_there():
    expect("UnknownMethod", "a method", call(MANAGER, "Frobnicate"))
    expect("AccessDenied", "an interface, by the bus", call("org.drywall1.Frobnicator", "Reload"))
    expect("UnknownObject", "an object", call(PROPERTIES, "GetAll", "s", ["org.drywall1.Policy"], "/org/drywall2"))
    gone = ROOT + "/policy/GlobalNetworkPolicy_2fnothing"
    expect("UnknownObject", "a policy", call(PROPERTIES, "GetAll", "s", ["org.drywall1.Policy"], gone))
    expect("UnknownProperty", "a property", call(PROPERTIES, "Get", "ss", [MANAGER, "Frobnication"]))
    expect("UnknownProperty", "an interface's property", call(PROPERTIES, "Get", "ss", ["org.drywall1.None", "State"]))
    for name, value in (("State", "inert"), ("Generation", dbus.UInt64(7)), ("PolicyDirectory", "/tmp")):
        expect("PropertyReadOnly", f"setting {name}", call(PROPERTIES, "Set", "ssv", [MANAGER, name, value]))
    policy = ROOT + "/policy/GlobalNetworkPolicy_2fclosed"
    expect("PropertyReadOnly", "setting Staged of a policy",
           call(PROPERTIES, "Set", "ssv", ["org.drywall1.Policy", "Staged", True], policy))


def too_many_streams():
    streams = []
    for _ in range(MOST_STREAMS):
        name, stream = call(FLOWS, "Stream", "a{ss}b", [dbus.Dictionary({}, signature="ss"), True])
        streams.append(stream)
        if name != "answered":
            return failures.append(f"stream {len(streams)}: {name}: {stream}")
    last = call(FLOWS, "Stream", "a{ss}b", [dbus.Dictionary({}, signature="ss"), True])
    expect("LimitsExceeded", "a stream too many", last)
    return [os.close(stream.take()) for stream in streams]


def message(serial, destination, path, interface, method, signature, body):
    """A method call as it goes over the wire, checked by nobody."""
    def padded(data, boundary):
        return data + b"\0" * (-len(data) % boundary)

    def text(value):
        return struct.pack("<I", len(value)) + value + b"\0"

    fields = b""
    for code, kind, value in ((1, b"o", text(path)), (2, b"s", text(interface)), (3, b"s", text(method)),
                              (6, b"s", text(destination)), (8, b"g", bytes([len(signature)]) + signature + b"\0")):
        if value is not None:
            fields = padded(fields, 8) + bytes([code, 1]) + kind + b"\0" + value
    head = b"l\1\0\1" + struct.pack("<III", len(body), serial, len(fields))
    return padded(head + fields, 8) + body


def not_utf_8():
    """Ends with the bus closing the connection: the daemon never sees it."""
    address = os.environ["DBUS_SYSTEM_BUS_ADDRESS"].removeprefix("unix:path=").split(",")[0]
    for what, world in (("not UTF-8", b"\xff\xfe\xc0\x80"), ("with a zero byte", b"enfo\0rced"),
                        ("of more bytes than there are", None)):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(10)
            raw.connect(address)
            raw.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
            if not raw.recv(100).startswith(b"OK"):
                return failures.append("the bus does not know us")
            body = struct.pack("<I", 9) + world[:9].ljust(9, b"x") + b"\0" if world else struct.pack("<I", 1 << 25) + b"x\0"
            raw.sendall(b"BEGIN\r\n" +
                        message(1, b"org.freedesktop.DBus", b"/", b"org.freedesktop.DBus", b"Hello", b"", b"") +
                        message(2, b"org.drywall1", ROOT.encode(), MANAGER.encode(), b"Render", b"s", body))
            answered = b""
            try:
                while data := raw.recv(65536):
                    answered += data
            except ConnectionResetError:
                pass
            except TimeoutError:
                failures.append(f"a string {what}: the bus keeps the connection")
            if b"org.drywall1" in answered:
                failures.append(f"a string {what} was answered")
            else:
                print(f"ok: a string {what} does not come through")


def main():
    for attack in (wrong_types, wrong_values, what_is_not_there, too_many_streams, not_utf_8):
        attack()
    sys.exit("\n".join(failures) or 0)


main()
