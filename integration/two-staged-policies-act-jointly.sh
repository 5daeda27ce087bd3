#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The pending world is the joint promotion of all staged policies: each sees what the others would leave to it.
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 8080 9090
start_daemon
given_host_endpoint server if-client
given allow.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: allow-8080}
spec:
  order: 10
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Allow, protocol: TCP, destination: {ports: [8080]}}]
END
given deny.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: deny-all}
spec:
  order: 20
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny}]
END

jointly() {
  expect_arrives client host tcp 8080
  expect_flow action=allow pending=would-allow source="$(address client)" port=8080 \
    staged="StagedGlobalNetworkPolicy allow-8080 0 allow"
  expect_arrives client host tcp 9090
  expect_flow action=allow pending=would-deny source="$(address client)" port=9090 \
    staged="StagedGlobalNetworkPolicy deny-all 0 deny"
}
in_both_families jointly

rm "$policy_dir/allow.yaml"
reload
alone() {
  expect_arrives client host tcp 8080
  expect_flow action=allow pending=would-deny source="$(address client)" port=8080 \
    staged="StagedGlobalNetworkPolicy deny-all 0 deny"
}
in_both_families alone
