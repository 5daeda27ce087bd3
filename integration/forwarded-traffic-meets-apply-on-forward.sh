#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Traffic through the host meets only policy with applyOnForward: enforced, it denies; staged, it is seen and let through,
# also where there is no other; what ends at the host is judged by the rest.
. "${0%/*}/lib.sh"

neighbour client 1
neighbour server 2
serve server tcp 8080 9090
serve host tcp 8080
start_daemon
given_host_endpoint uplink if-client

given normal.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: host-only}
spec:
  order: 5
  selector: role == 'uplink'
  types: [Ingress]
  ingress:
  - {action: Deny, protocol: TCP, destination: {ports: [8080]}}
  - {action: Allow}
END
only_the_host_is_closed() {
  expect_denied client host tcp 8080
  expect_arrives client server tcp 8080
}
in_both_families only_the_host_is_closed

forward_policy() { # KIND
  given forward.yaml <<END
apiVersion: projectcalico.org/v3
kind: $1
metadata: {name: no-8080-through}
spec:
  order: 1
  selector: role == 'uplink'
  applyOnForward: true
  types: [Ingress]
  ingress:
  - {action: Deny, protocol: TCP, destination: {ports: [8080], nets: [10.77.2.0/24]}}
  - {action: Deny, protocol: TCP, destination: {ports: [8080], nets: ["fd77:2::/64"]}}
  - {action: Allow}
END
}

forward_policy StagedGlobalNetworkPolicy
staged_is_inert() {
  expect_arrives client server tcp 8080
  expect_arrives client server tcp 9090
}
in_both_families staged_is_inert
expect_flow bucket=forward reporter=dst action=allow pending=would-deny differs=yes port=8080 source=10.77.1.2
expect_flow bucket=forward reporter=dst action=allow pending=would-deny differs=yes port=8080 source=fd77:1::2
expect_flow bucket=forward reporter=dst action=allow pending=would-allow differs=no port=9090 source=10.77.1.2

forward_policy GlobalNetworkPolicy
enforced_denies() {
  expect_denied client server tcp 8080
  expect_arrives client server tcp 9090
}
in_both_families enforced_denies
expect_flow bucket=forward reporter=dst action=deny pending=would-deny differs=no port=8080 source=10.77.1.2 \
  enforced="GlobalNetworkPolicy no-8080-through 0 deny"
