#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares what running objects say of themselves with packaging/org.drywall1.xml.

    bus_contract.py DESCRIPTION      exit 1 and the differences, if there are any
"""
import sys
import xml.etree.ElementTree as ElementTree

import dbus

ROOT = "/org/drywall1"
POLICIES = ROOT + "/policy"
OURS = "org.drywall1."
STANDARD = {"org.freedesktop.DBus." + name for name in ("Peer", "Introspectable", "Properties", "ObjectManager")}


def facts(interface):
    """Everything that is promised of an interface, one line each."""
    for member in interface:
        if member.tag is ElementTree.Comment:
            continue
        default = "in" if member.tag == "method" else "out"
        arguments = [f'{a.get("direction", default)} {a.get("type")} {a.get("name")}' for a in member.findall("arg")]
        own = [member.get(key) for key in ("type", "access") if member.get(key)]
        yield " ".join([interface.get("name"), member.tag, member.get("name"), *own]) + ": " + ", ".join(arguments)
        for annotation in [*member.findall("annotation"), *interface.findall("annotation")]:
            yield f'{interface.get("name")} {member.get("name")} {annotation.get("name")}={annotation.get("value")}'


def facts_of(interfaces):
    return sorted(fact for interface in interfaces for fact in facts(interface))


def introspect(bus, path):
    text = dbus.Interface(bus.get_object("org.drywall1", path, introspect=False),
                          "org.freedesktop.DBus.Introspectable").Introspect()
    return ElementTree.fromstring(text)


def differences(path, promised, said):
    names = {interface.get("name") for interface in said.findall("interface")}
    strangers = {name for name in names if not name.startswith(OURS)} - STANDARD
    promised = facts_of(promised)
    kept = facts_of(i for i in said.findall("interface") if i.get("name").startswith(OURS))
    yield from (f"{path}: has {name}" for name in strangers)
    yield from (f"{path}: promised, not there: {fact}" for fact in promised if fact not in kept)
    yield from (f"{path}: there, not promised: {fact}" for fact in kept if fact not in promised)
    if not promised:
        yield f"{path}: nothing is promised"


def main():
    description = {i.get("name"): i for i in ElementTree.parse(sys.argv[1]).getroot().findall("interface")}
    bus = dbus.SystemBus()
    of_policies = description.pop(OURS + "Policy")
    found = list(differences(ROOT, description.values(), introspect(bus, ROOT)))
    policies = [node.get("name") for node in introspect(bus, POLICIES).findall("node")]
    if not policies:
        found.append("no policy is on the bus")
    for name in policies:
        path = f"{POLICIES}/{name}"
        found += differences(path, [of_policies], introspect(bus, path))
    sys.exit("\n".join(found) or 0)


main()
