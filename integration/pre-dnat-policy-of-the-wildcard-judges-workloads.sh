#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# preDNAT policy of the host endpoint * judges what comes from any interface, a workload's too: it denies before DNAT;
# what it allows to the host still needs the host's leave, and the workload's own policy.
. "${0%/*}/lib.sh"

neighbour client 1
neighbour frontend 2
neighbour backend 3
serve host tcp 8080
serve backend tcp 8080
given_services 3 3
start_daemon
given_host_endpoint all '*'
given_workload frontend prod
given_workload backend prod
to_host() { # ACTION
  given felix.yaml <<END
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {defaultEndpointToHostAction: $1}
END
}
pre_dnat() { # ACTION PORT: of packets to the service
  given pre-dnat.yaml <<END
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: services}
spec:
  selector: role == 'all'
  applyOnForward: true
  preDNAT: true
  types: [Ingress]
  ingress:
  - {action: $1, protocol: TCP, destination: {nets: [10.99.0.1/32], ports: [$2]}}
  - {action: $1, protocol: TCP, destination: {nets: ["fd99::1/128"], ports: [$2]}}
END
}

to_host Accept
open() {
  for from in client frontend; do
    expect_arrives "$from" "$(service)" tcp 80
    expect_arrives "$from" "$(service)" tcp 81
  done
}
in_both_families open

pre_dnat Deny 80
host_denied() {
  for from in client frontend; do
    expect_denied "$from" "$(service)" tcp 80
    expect_arrives "$from" "$(service)" tcp 81
    expect_flow bucket=preDNAT reporter=dst action=deny port=80 source="$(address "$from")" interface="if-$from"
  done
  expect_arrives frontend host tcp 8080
}
in_both_families host_denied
pre_dnat Deny 81
workload_denied() {
  for from in client frontend; do
    expect_arrives "$from" "$(service)" tcp 80
    expect_denied "$from" "$(service)" tcp 81
    expect_flow bucket=preDNAT reporter=dst action=deny port=81 source="$(address "$from")" interface="if-$from"
  done
}
in_both_families workload_denied

pre_dnat Allow "80, 81"
to_host Drop
allowed_is_not_all() {
  expect_arrives client "$(service)" tcp 80
  expect_denied frontend "$(service)" tcp 80
  expect_arrives frontend "$(service)" tcp 81
}
in_both_families allowed_is_not_all
given policy.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: frontend, namespace: prod}
spec:
  selector: app == 'frontend'
  types: [Egress]
  egress: [{action: Deny}]
END
egress_holds() {
  expect_denied frontend "$(service)" tcp 81
  expect_arrives client "$(service)" tcp 81
}
in_both_families egress_holds

# Normal policy of * is not about workloads, forward policy is; both are spared what preDNAT policy allows.
rm "$policy_dir/policy.yaml"
to_host Accept
given deny-all.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-all}
spec:
  selector: role == 'all'
  applyOnForward: true
  types: [Ingress]
  ingress: [{action: Deny}]
END
spared() {
  expect_arrives client "$(service)" tcp 80
  expect_arrives client "$(service)" tcp 81
  expect_arrives frontend "$(service)" tcp 81
  expect_denied client host tcp 8080
  expect_denied client backend tcp 8080
  expect_denied frontend backend tcp 8080
  expect_arrives frontend host tcp 8080
}
in_both_families spared
