#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows what drywalld has in force, and what is staged there would deny. Needs python3-dbus."""

import json
import os
import dbus

drywall = dbus.SystemBus().get_object("org.drywall1", "/org/drywall1")
manager = dbus.Interface(drywall, "org.drywall1.Manager")
flows = dbus.Interface(drywall, "org.drywall1.Flows")
properties = dbus.Interface(drywall, "org.freedesktop.DBus.Properties")
objects = dbus.Interface(drywall, "org.freedesktop.DBus.ObjectManager")

print("state", properties.Get("org.drywall1.Manager", "State"))
for path, interfaces in objects.GetManagedObjects().items():
    policy = interfaces.get("org.drywall1.Policy")
    if policy is not None and policy["Staged"]:
        print("staged", policy["Kind"], policy["Name"], "at", f'{policy["File"]}:{policy["Line"]}')

# A list, a page at a time ...
records, evidence = flows.List({"pending-action": "would-deny"}, dbus.UInt32(0), dbus.UInt32(100))
for record in records:
    print("would be denied:", record["protocol"], record["destination"]["port"], "packets", record["packets"])
print("log messages lost:", evidence["lost"])

# ... or a stream of JSON lines: as long as you read, if the last argument is True.
with os.fdopen(flows.Stream({"differs": "true"}, False).take()) as lines:
    for line in lines:
        print("flow", json.loads(line)["pending_action"])

try:
    print("generation", manager.Reload()["generation"])
except dbus.DBusException as error:
    if error.get_dbus_name() != "org.freedesktop.DBus.Error.AccessDenied":
        raise
    print("not reloaded:", error.get_dbus_message())
