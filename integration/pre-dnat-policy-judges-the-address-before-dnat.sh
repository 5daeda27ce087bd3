#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# preDNAT policy sees the address and port that a packet was sent to, not those that a NAT table gives it: of services
# that the host answers itself as of those of a workload. It denies before any other policy is asked.
. "${0%/*}/lib.sh"

neighbour client 1
neighbour backend 2
serve host tcp 8080
serve backend tcp 8080
given_services 1 2
start_daemon
given_host_endpoint uplink if-client
given_workload backend prod

pre_dnat() { # RULE...: of ingress
  given pre-dnat.yaml <<END
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: before-dnat}
spec:
  order: 1
  selector: role == 'uplink'
  applyOnForward: true
  preDNAT: true
  types: [Ingress]
  ingress: [$(IFS=,; echo "$*")]
END
}
on_service='nets: [10.99.0.1/32]' on_service6='nets: ["fd99::1/128"]'

pre_dnat "{action: Deny, protocol: TCP, destination: {$on_service, ports: [80]}}" \
  "{action: Deny, protocol: TCP, destination: {$on_service6, ports: [80]}}"
host_service_denied() {
  expect_denied client "$(service)" tcp 80
  expect_arrives client "$(service)" tcp 81
  expect_arrives client host tcp 8080
  expect_flow bucket=preDNAT reporter=dst action=deny port=80 source="$(address client)" destination="$(service)" \
    enforced="GlobalNetworkPolicy before-dnat $1 deny"
}
family=4 host_service_denied 0
family=6 host_service_denied 1

pre_dnat "{action: Deny, protocol: TCP, destination: {$on_service, ports: [81]}}" \
  "{action: Deny, protocol: TCP, destination: {$on_service6, ports: [81]}}"
workload_service_denied() {
  expect_arrives client "$(service)" tcp 80
  expect_denied client "$(service)" tcp 81
  expect_arrives client backend tcp 8080
  expect_flow bucket=preDNAT reporter=dst action=deny port=81 source="$(address client)" destination="$(service)"
}
in_both_families workload_service_denied

# What the packet is after DNAT is nothing to it.
pre_dnat "{action: Deny, protocol: TCP, destination: {ports: [8080]}}"
after_dnat() {
  expect_arrives client "$(service)" tcp 80
  expect_arrives client "$(service)" tcp 81
  expect_denied client host tcp 8080
  expect_denied client backend tcp 8080
}
in_both_families after_dnat
