#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A staged preDNAT deny of the host endpoint * drops nothing of what a workload sends. Its record says would-deny, and
# so do those of the workloads' legs behind it: to another workload and to the host, with DNAT and without.
. "${0%/*}/lib.sh"

neighbour frontend 1
neighbour backend 2
serve host tcp 8080
serve backend tcp 8080
given_services 2 2
start_daemon
given_host_endpoint all '*'
given_workload frontend prod
given_workload backend prod
given felix.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {defaultEndpointToHostAction: Accept}
END
given staged.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: before-dnat}
spec:
  selector: role == 'all'
  applyOnForward: true
  preDNAT: true
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP}]
END

only_told() {
  expect_arrives frontend host tcp 8080
  expect_arrives frontend backend tcp 8080
  expect_arrives frontend "$(service)" tcp 80
  expect_arrives frontend "$(service)" tcp 81
  local destination
  for destination in "$(address host frontend) 8080" "$(address backend) 8080" "$(service) 80" "$(service) 81"; do
    expect_flow bucket=preDNAT reporter=dst action=allow pending=would-deny source=frontend interface=if-frontend \
      destination="${destination% *}" port="${destination#* }" staged="StagedGlobalNetworkPolicy before-dnat 0 deny"
  done
  # Not of what DNAT sent to the host itself: there the workload's leg is matched by addresses alone (docs/flow-records.md).
  for destination in "$(address host frontend)" "$(address backend)"; do
    expect_flow bucket=normal reporter=src action=allow pending=would-deny source=frontend interface=if-frontend \
      destination="$destination" port=8080 enforced="Profile kns.prod 0 allow" staged=""
  done
  expect_flow bucket=normal reporter=dst action=allow pending=would-deny source=frontend destination=backend port=8080 \
    enforced="Profile kns.prod 0 allow" staged=""
  expect_no_flow pending=would-allow source=frontend destination=backend port=8080
}
in_both_families only_told
