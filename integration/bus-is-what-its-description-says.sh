#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The running daemon's objects are what packaging/org.drywall1.xml says, with each argument, type, property, signal and
# annotation; docs/dbus.md is made of it; the examples there run; monitors of the bus see what happens.
. "${0%/*}/lib.sh"

examples=$integration/../docs/examples
neighbour client 1
serve host tcp 8080
start_daemon
given_host_endpoint server if-client
given policies.yaml <<'END_OF_POLICIES'
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: deny-web}
spec:
  order: 7.5
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [8080]}}]
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: prod}
spec: {selector: app == 'web', types: [Ingress]}
END_OF_POLICIES

is_as_described() { /usr/bin/python3 -B "$integration/bus_contract.py" "$1"; }
expect "the objects are as described" is_as_described "$integration/../packaging/org.drywall1.xml"
sed 's/name="offset" type="u"/name="offset" type="t"/' "$integration/../packaging/org.drywall1.xml" >"$work/other.xml"
is_as_described "$work/other.xml" >/dev/null 2>&1 && fail "another type of one argument is not noticed"
passed "another type of one argument is noticed"
expect "the manual is made of the description" "$integration/../packaging/dbus-manual" --check

LC_ALL=C gdbus monitor --system --dest org.drywall1 >"$work/gdbus" 2>&1 &
LC_ALL=C busctl monitor org.drywall1 >"$work/busctl" 2>&1 &
is_listening() { grep -q 'owned by' "$work/gdbus" && grep -q 'Monitoring' "$work/busctl"; }
eventually 10 is_listening || fail "the monitors do not listen"

expect_arrives client host tcp 8080
given more.yaml <<'END_OF_POLICY'
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: more}
spec: {selector: role == 'server', types: [Ingress], ingress: [{action: Allow}]}
END_OF_POLICY
echo 'kind: nothing' | write_policy broken.yaml
drywall reload >/dev/null 2>&1 && fail "a broken file was loaded"
seen() { grep -q "$1" "$work/gdbus" && grep -q "$1" "$work/busctl"; }
for signal in GenerationChanged ReloadFailed WouldDeny PropertiesChanged InterfacesAdded; do
  expect "gdbus and busctl monitor see $signal" eventually 5 seen "$signal"
done
rm "$policy_dir/broken.yaml" "$policy_dir/more.yaml"
reload
expect "and InterfacesRemoved" eventually 5 seen InterfacesRemoved

expect_flow port=8080 pending=would-deny
start_edit_helper
lines=0
while read -r line; do
  bash -c "$line" >"$work/out" 2>"$work/err" || fail "$line: $(cat "$work/err")"
  [ -s "$work/out" ] || fail "$line prints nothing"
  lines=$((lines + 1))
done < <(grep '^busctl ' "$examples/dbus-busctl.sh")
expect "the lines for busctl work" test "$lines" -ge 8
expect "the example in Python works" sh -c '/usr/bin/python3 -B "$1" >"$2/out"' sh "$examples/dbus-client.py" "$work"
for line in "state enforcing" "staged StagedGlobalNetworkPolicy deny-web at .*/policies.yaml:1" \
  "would be denied: tcp 8080 packets 1" "log messages lost: 0" "flow would-deny" "generation [0-9]"; do
  grep -q "^$line" "$work/out" || fail "the example does not print \"$line\": $(cat "$work/out")"
done
passed "and prints what there is"
