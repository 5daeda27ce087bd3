#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A staged preDNAT deny drops nothing. Its own record says would-deny, of the address before DNAT; so do the records of
# the legs behind it, which the packet would never reach. A staged preDNAT allow likewise.
. "${0%/*}/lib.sh"

neighbour client 1
neighbour backend 2
serve host tcp 8080
serve backend tcp 8080
given_services 1 2
start_daemon
given_host_endpoint uplink if-client
given_workload backend prod
given forward.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: through}
spec:
  selector: role == 'uplink'
  applyOnForward: true
  types: [Ingress]
  ingress: [{action: Allow}]
END
staged() { # ACTION
  given staged.yaml <<END
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: before-dnat}
spec:
  selector: role == 'uplink'
  applyOnForward: true
  preDNAT: true
  types: [Ingress]
  ingress:
  - {action: $1, protocol: TCP, destination: {nets: [10.99.0.1/32]}}
  - {action: $1, protocol: TCP, destination: {nets: ["fd99::1/128"]}}
END
}

# What is in force changes; what arrives does not.
began() { date -u +%FT%T.%3NZ; }
denied_before_dnat() {
  local rule=$((family == 6)) since backend
  since=$(began)
  backend=$(address backend)
  expect_arrives client "$(service)" tcp 80
  expect_arrives client "$(service)" tcp 81
  expect_arrives client backend tcp 8080
  for port in 80 81; do
    expect_flow since="$since" bucket=preDNAT reporter=dst action=allow pending=would-deny differs=yes port="$port" \
      source="$(address client)" destination="$(service)" enforced="" \
      staged="StagedGlobalNetworkPolicy before-dnat $rule deny"
  done
  expect_flow since="$since" bucket=normal reporter=dst action=allow pending=would-deny port=8080 interface=if-client \
    source="$(address client)" destination="$(address host client)" staged="" \
    enforced="GlobalNetworkPolicy through 0 allow"
  expect_flow since="$since" bucket=forward reporter=dst action=allow pending=would-deny port=8080 interface=if-client \
    source="$(address client)" destination="$backend" enforced="GlobalNetworkPolicy through 0 allow" staged=""
  expect_flow since="$since" bucket=normal reporter=dst action=allow pending=would-deny port=8080 interface=if-backend \
    source="$(address client)" destination="$backend" staged=""
  # What goes there directly is not meant.
  expect_flow since="$since" bucket=forward reporter=dst action=allow pending=would-allow port=8080 interface=if-client \
    source="$(address client)" destination="$backend" staged="GlobalNetworkPolicy through 0 allow"
}
staged Deny
in_both_families denied_before_dnat

given forward.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: through}
spec:
  selector: role == 'uplink'
  applyOnForward: true
  types: [Ingress]
  ingress: [{action: Deny}]
END
staged Allow
allowed_before_dnat() {
  local rule=$((family == 6))
  expect_denied client "$(service)" tcp 80
  expect_denied client "$(service)" tcp 81
  for port in 80 81; do
    expect_flow bucket=preDNAT reporter=dst action=allow pending=would-allow port="$port" source="$(address client)" \
      destination="$(service)" enforced="" staged="StagedGlobalNetworkPolicy before-dnat $rule allow"
  done
  expect_flow bucket=normal reporter=dst action=deny pending=would-allow port=8080 source="$(address client)" \
    enforced="GlobalNetworkPolicy through 0 deny" staged=""
  expect_flow bucket=forward reporter=dst action=deny pending=would-allow port=8080 source="$(address client)" \
    enforced="GlobalNetworkPolicy through 0 deny" staged=""
}
in_both_families allowed_before_dnat
