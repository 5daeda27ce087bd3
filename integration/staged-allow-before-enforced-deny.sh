#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A staged allow before an enforced deny is recorded as would-allow, and the packet is still denied.
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 8080
start_daemon
given_host_endpoint server if-client
given policies.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-all}
spec:
  order: 20
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny}]
---
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: allow-8080}
spec:
  order: 10
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Allow, protocol: TCP, destination: {ports: [8080]}}]
END

staged_allow() {
  expect_denied client host tcp 8080
  expect_flow action=deny pending=would-allow reporter=dst source="$(address client)" protocol=tcp port=8080 \
    enforced="GlobalNetworkPolicy deny-all 0 deny" staged="StagedGlobalNetworkPolicy allow-8080 0 allow"
}
in_both_families staged_allow
