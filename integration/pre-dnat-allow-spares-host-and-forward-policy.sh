#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What preDNAT policy allows meets neither the normal nor the applyOnForward policy of that host endpoint, with DNAT and
# without; a workload's own policy it still meets.
. "${0%/*}/lib.sh"

neighbour client 1
neighbour backend 2
for protocol in tcp udp; do
  serve host "$protocol" 8080 9090
  serve backend "$protocol" 8080 9090
done
nft -f - <<'END'
table inet services {
  chain prerouting {
    type nat hook prerouting priority dstnat
    ip daddr 10.99.0.1 meta l4proto { tcp, udp } th dport 80 dnat ip to 10.77.1.1:8080
    ip daddr 10.99.0.1 meta l4proto { tcp, udp } th dport 81 dnat ip to 10.77.2.2:8080
    ip daddr 10.99.0.1 meta l4proto { tcp, udp } th dport 82 dnat ip to 10.77.1.1:8080
    ip6 daddr fd99::1 meta l4proto { tcp, udp } th dport 80 dnat ip6 to [fd77:1::1]:8080
    ip6 daddr fd99::1 meta l4proto { tcp, udp } th dport 81 dnat ip6 to [fd77:2::2]:8080
    ip6 daddr fd99::1 meta l4proto { tcp, udp } th dport 82 dnat ip6 to [fd77:1::1]:8080
  }
}
END
start_daemon
given_host_endpoint uplink if-client ""
given deny-all.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-all}
spec:
  selector: role == 'uplink'
  applyOnForward: true
  types: [Ingress]
  ingress: [{action: Deny}]
END
all_denied() {
  expect_denied client "$(service)" tcp 80
  expect_denied client "$(service)" udp 81
  expect_denied client host tcp 9090
  expect_denied client backend tcp 9090
}
in_both_families all_denied

given pre-dnat.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: services}
spec:
  selector: role == 'uplink'
  applyOnForward: true
  preDNAT: true
  types: [Ingress]
  ingress:
  - {action: Allow, protocol: TCP, destination: {nets: [10.99.0.1/32], ports: [80, 81]}}
  - {action: Allow, protocol: UDP, destination: {nets: [10.99.0.1/32], ports: [80, 81]}}
  - {action: Allow, protocol: TCP, destination: {nets: ["fd99::1/128"], ports: [80, 81]}}
  - {action: Allow, protocol: UDP, destination: {nets: ["fd99::1/128"], ports: [80, 81]}}
  - {action: Allow, destination: {nets: [10.77.2.0/24], notNets: [10.77.2.1/32]}, protocol: TCP}
  - {action: Allow, destination: {nets: ["fd77:2::/64"], notNets: ["fd77:2::1/128"]}, protocol: TCP}
END
services_spared() {
  for protocol in tcp udp; do
    expect_arrives client "$(service)" "$protocol" 80
    expect_arrives client "$(service)" "$protocol" 81
    expect_denied client "$(service)" "$protocol" 82 # the same after DNAT
    expect_denied client host "$protocol" 8080
    expect_flow bucket=preDNAT reporter=dst action=allow protocol="$protocol" port=80 source="$(address client)" \
      destination="$(service)"
    expect_flow bucket=normal reporter=dst action=deny protocol="$protocol" port=8080 source="$(address client)" \
      enforced="GlobalNetworkPolicy deny-all 0 deny"
  done
  expect_arrives client backend tcp 9090 # without DNAT
  expect_denied client backend udp 9090
}
in_both_families services_spared

given_workload backend prod
given policy.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: backend, namespace: prod}
spec:
  types: [Ingress]
  ingress: [{action: Allow, protocol: UDP}]
END
workload_policy_holds() {
  expect_arrives client "$(service)" udp 81
  expect_denied client "$(service)" tcp 81
  expect_arrives client "$(service)" tcp 80
}
in_both_families workload_policy_holds
