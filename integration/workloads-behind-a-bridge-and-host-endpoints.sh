#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Normal policy of the host endpoint that governs a bridge, by its name or as *, judges what the bridge's other hosts
# exchange with the host, not what its workloads do; forward policy judges both.
. "${0%/*}/lib.sh"

bridge br0 1
bridged web br0 2
bridged guest br0 3
neighbour outside 2
for name in web guest outside host; do serve "$name" tcp 8080 9090; done
start_daemon
given_workload web prod
given felix.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {defaultEndpointToHostAction: Accept}
END
given policies.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: prod}
spec:
  selector: app == 'web'
  types: [Ingress, Egress]
  ingress: [{action: Allow, protocol: TCP, destination: {ports: [8080]}}]
  egress: [{action: Allow, protocol: TCP, destination: {ports: [8080]}}]
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: bridge-9090}
spec:
  selector: role == 'bridge'
  types: [Ingress, Egress]
  ingress: [{action: Allow, protocol: TCP, destination: {ports: [9090]}}]
  egress: [{action: Allow, protocol: TCP, destination: {ports: [9090]}}]
END

normal_policy() {
  expect_arrives guest host tcp 9090
  expect_denied guest host tcp 8080
  expect_arrives host guest tcp 9090
  expect_denied host guest tcp 8080
  expect_flow reporter=dst action=deny source="$(address guest)" port=8080 interface=br0 \
    enforced="GlobalNetworkPolicy bridge-9090 -1 deny"

  expect_arrives web host tcp 8080
  expect_denied web host tcp 9090
  expect_flow reporter=src action=deny source=web port=9090 enforced="NetworkPolicy prod/web -1 deny"
  expect_arrives host web tcp 8080
  expect_arrives host web tcp 9090

  # What is forwarded is the workload's affair, and nobody's of the guest.
  expect_arrives web outside tcp 8080
  expect_denied web outside tcp 9090
  expect_arrives outside web tcp 8080
  expect_denied outside web tcp 9090
  expect_arrives guest outside tcp 8080
  expect_arrives outside guest tcp 8080
}
forward_policy() {
  expect_denied guest outside tcp 8080
  expect_denied web outside tcp 8080
  expect_denied outside guest tcp 8080
  expect_denied outside web tcp 8080
  expect_flow bucket=forward reporter=dst action=deny source=web port=8080 interface=br0 \
    destination="$(address outside)"
  expect_arrives guest outside tcp 9090
  expect_denied web outside tcp 9090
  expect_arrives web host tcp 8080
}
forward_too() { # yes or no
  sed -i '/applyOnForward/d' "$policy_dir/policies.yaml"
  [ "$1" = no ] || sed -i "s/^  selector: role == 'bridge'/&\n  applyOnForward: true/" "$policy_dir/policies.yaml"
  reload
}

echo "-- the host endpoint names the bridge"
given_host_endpoint bridge br0 ""
in_both_families normal_policy
forward_too yes
in_both_families forward_policy

echo "-- the host endpoint is *"
forward_too no
write_policy endpoint-outside.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: outside, labels: {role: outside}}
spec: {node: host, interfaceName: if-outside, profiles: [projectcalico-default-allow]}
END
given_host_endpoint bridge '*' ""
in_both_families normal_policy
forward_too yes
in_both_families forward_policy
