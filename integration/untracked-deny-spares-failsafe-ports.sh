#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Failsafe ports, and the answers that come from and to them, pass an untracked deny of everything.
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 22 8080
serve client udp 53 5353
start_daemon
given_host_endpoint server if-client

from_host() { # PORT: udp, to the client
  python3 "$integration/traffic.py" connect udp "$(address client)" "$1" 0.7
}
denied_from_host() {
  local status=0
  from_host "$1" 2>/dev/null || status=$?
  [ "$status" != 0 ]
}

open() {
  for port in 22 8080; do expect_arrives client host tcp "$port"; done
  for port in 53 5353; do expect "the host reaches the client on udp $port (IPv$family)" from_host "$port"; done
}
in_both_families open

untracked_deny() { # TYPE: of everything, in this direction
  given deny.yaml <<END
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-all}
spec:
  selector: role == 'server'
  applyOnForward: true
  doNotTrack: true
  types: [$1]
  ${1,,}: [{action: Deny}]
END
}
only_failsafes() {
  local began
  began=$(date -u +%FT%T.%3NZ)
  expect_denied client host tcp 8080
  expect_arrives client host tcp 22
  expect_flow since="$began" action=allow failsafe=yes bucket=normal source="$(address client)" port=22
  expect "the host reaches the client on udp 53 (IPv$family)" from_host 53
  expect "the host does not reach the client on udp 5353 (IPv$family)" denied_from_host 5353
}
untracked_deny Ingress # requests to the host, and answers to it
in_both_families only_failsafes
for source in 10.77.1.2 fd77:1::2; do
  expect_flow bucket=untracked reporter=dst action=deny port=8080 source="$source" \
    enforced="GlobalNetworkPolicy deny-all 0 deny"
done
untracked_deny Egress # requests of the host, and its answers
in_both_families only_failsafes
