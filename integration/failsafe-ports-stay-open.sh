#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A failsafe port stays open under a deny-all, and its flows are recorded as what they are.
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 22 8080
start_daemon
given_host_endpoint server if-client ""
given deny-all.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-all}
spec:
  selector: role == 'server'
  types: [Ingress, Egress]
  ingress: [{action: Deny}]
  egress: [{action: Deny}]
END

failsafe() {
  expect_denied client host tcp 8080
  expect_flow action=deny failsafe=no source="$(address client)" port=8080 enforced="GlobalNetworkPolicy deny-all 0 deny"
  expect_arrives client host tcp 22
  expect_flow action=allow failsafe=yes source="$(address client)" port=22
}
in_both_families failsafe
