#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An enforced deny denies, an enforced allow allows, and what no rule names meets the end of its tier.
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 8080 9090
serve host udp 8080
start_daemon
given_host_endpoint server if-client
given policy.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: web}
spec:
  selector: role == 'server'
  types: [Ingress]
  ingress:
  - {action: Deny, protocol: TCP, destination: {ports: [8080]}}
  - {action: Allow, protocol: TCP}
END

enforced() {
  expect_denied client host tcp 8080
  expect_flow action=deny pending=would-deny differs=no source="$(address client)" protocol=tcp port=8080 \
    enforced="GlobalNetworkPolicy web 0 deny"
  expect_arrives client host tcp 9090
  expect_flow action=allow pending=would-allow differs=no source="$(address client)" protocol=tcp port=9090 \
    enforced="GlobalNetworkPolicy web 1 allow"
  expect_denied client host udp 8080
  expect_flow action=deny source="$(address client)" protocol=udp port=8080 enforced="GlobalNetworkPolicy web -1 deny"
}
in_both_families enforced
