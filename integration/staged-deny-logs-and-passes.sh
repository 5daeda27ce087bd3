#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A staged deny is recorded as a flow that would be denied, and the packet still arrives.
. "${0%/*}/lib.sh"

neighbour client 1
serve host udp 8080
serve host tcp 8080
start_daemon
given_host_endpoint server if-client
given deny.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: deny-8080}
spec:
  selector: role == 'server'
  types: [Ingress]
  ingress:
  - {action: Deny, protocol: UDP, destination: {ports: [8080]}}
  - {action: Deny, protocol: TCP, destination: {ports: [8080]}}
END

staged_deny() {
  for protocol in udp tcp; do
    expect_arrives client host "$protocol" 8080
    expect_flow action=allow pending=would-deny differs=yes reporter=dst source="$(address client)" \
      destination="$(address host client)" protocol="$protocol" port=8080
  done
}
in_both_families staged_deny

expect_flow protocol=udp enforced="Profile projectcalico-default-allow 0 allow" \
  staged="StagedGlobalNetworkPolicy deny-8080 0 deny"
expect_flow protocol=tcp enforced="Profile projectcalico-default-allow 0 allow" \
  staged="StagedGlobalNetworkPolicy deny-8080 1 deny"
