#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A host endpoint governs the interface that it names; the one named * governs all others. Both directions are policed.
. "${0%/*}/lib.sh"

neighbour left 1
neighbour right 2
serve host tcp 8001 8002
for name in left right; do serve "$name" tcp 8001 8002; done
start_daemon
given_host_endpoint named if-left
given_host_endpoint rest '*'
given policies.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: named-denies-8001}
spec:
  selector: role == 'named'
  types: [Ingress, Egress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [8001]}}, {action: Allow}]
  egress: [{action: Deny, protocol: TCP, destination: {ports: [8001]}}, {action: Allow}]
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: rest-denies-8002}
spec:
  selector: role == 'rest'
  types: [Ingress, Egress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [8002]}}, {action: Allow}]
  egress: [{action: Deny, protocol: TCP, destination: {ports: [8002]}}, {action: Allow}]
END

from_host() { # NAME PORT: 0 answered, 1 not
  python3 "$integration/traffic.py" connect tcp "$(address "$1")" "$2" 0.7
}
denied_from_host() {
  local status=0
  from_host "$1" "$2" || status=$?
  [ "$status" = 1 ]
}

each_endpoint() {
  expect_denied left host tcp 8001
  expect_arrives left host tcp 8002
  expect_arrives right host tcp 8001
  expect_denied right host tcp 8002
  expect_flow reporter=dst action=deny interface=if-left port=8001 source="$(address left)" \
    enforced="GlobalNetworkPolicy named-denies-8001 0 deny"
  expect_flow reporter=dst action=deny interface=if-right port=8002 source="$(address right)" \
    enforced="GlobalNetworkPolicy rest-denies-8002 0 deny"

  expect "the host does not reach left on 8001 (IPv$family)" denied_from_host left 8001
  expect "the host reaches left on 8002 (IPv$family)" from_host left 8002
  expect "the host does not reach right on 8002 (IPv$family)" denied_from_host right 8002
  expect "the host reaches right on 8001 (IPv$family)" from_host right 8001
  expect_flow reporter=src action=deny port=8001 destination="$(address left)" \
    enforced="GlobalNetworkPolicy named-denies-8001 0 deny"

  # Forwarded traffic is not theirs as long as no policy applies on forward.
  expect_arrives left right tcp 8001
  expect_arrives left right tcp 8002
}
in_both_families each_endpoint
