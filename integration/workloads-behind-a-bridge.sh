#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Workloads behind a bridge of the host are policed, each by its own policy, wherever the host routes: from and to
# others and to the host. What the host sends them is not policed, nor is what stays inside the bridge.
. "${0%/*}/lib.sh"

bridge br0 1
bridged web br0 2
bridged db br0 3
neighbour outside 2
for name in web db outside host; do serve "$name" tcp 8080 9090; done
start_daemon
given_workload web prod
given_workload db prod
given policies.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: prod}
spec:
  selector: app == 'web'
  types: [Ingress, Egress]
  ingress: [{action: Allow, protocol: TCP, destination: {ports: [8080]}}]
  egress: [{action: Allow, protocol: TCP, destination: {ports: [9090]}}]
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: db, namespace: prod}
spec:
  selector: app == 'db'
  types: [Ingress, Egress]
  ingress: [{action: Deny}]
  egress: [{action: Allow, protocol: TCP, destination: {ports: [8080]}}]
---
apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: web-closed, namespace: prod}
spec:
  order: 1
  selector: app == 'web'
  types: [Ingress]
  ingress: [{action: Deny}]
END

routed() {
  expect_arrives outside web tcp 8080
  expect_denied outside web tcp 9090
  expect_denied outside db tcp 8080
  expect_flow reporter=dst action=allow pending=would-deny source="$(address outside)" destination=web port=8080 \
    enforced="NetworkPolicy prod/web 0 allow" staged="StagedNetworkPolicy prod/web-closed 0 deny"
  expect_flow reporter=dst action=deny source="$(address outside)" destination=web port=9090 \
    enforced="NetworkPolicy prod/web -1 deny"
  expect_flow reporter=dst action=deny source="$(address outside)" destination=db port=8080 \
    enforced="NetworkPolicy prod/db 0 deny"

  expect_arrives web outside tcp 9090
  expect_denied web outside tcp 8080
  expect_arrives db outside tcp 8080
  expect_denied db outside tcp 9090
  expect_flow reporter=src action=allow source=web destination="$(address outside)" port=9090 \
    enforced="NetworkPolicy prod/web 0 allow"
  expect_flow reporter=src action=deny source=web destination="$(address outside)" port=8080 \
    enforced="NetworkPolicy prod/web -1 deny"
  expect_flow reporter=src action=allow source=db destination="$(address outside)" port=8080
  expect_flow reporter=src action=deny source=db destination="$(address outside)" port=9090

  # The host may speak to its workloads, whatever their policy.
  for name in web db; do
    expect_arrives host "$name" tcp 8080
    expect_arrives host "$name" tcp 9090
  done
  # Inside the bridge nothing is routed.
  expect_arrives web db tcp 8080
  expect_arrives db web tcp 9090
}
in_both_families routed

to_host() { # ACTION
  given felix.yaml <<END
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {defaultEndpointToHostAction: $1}
END
}
dropped() {
  for name in web db; do
    expect_denied "$name" host tcp 8080
    expect_denied "$name" host tcp 9090
  done
}
in_both_families dropped # the default
to_host Accept
accepted() {
  expect_arrives web host tcp 9090
  expect_denied web host tcp 8080
  expect_arrives db host tcp 8080
  expect_denied db host tcp 9090
  expect_flow reporter=src action=deny source=web destination="$(address host web)" port=8080 \
    enforced="NetworkPolicy prod/web -1 deny"
  expect_flow reporter=src action=allow source=db destination="$(address host db)" port=8080 \
    enforced="NetworkPolicy prod/db 0 allow"
  # The host's other address is the host too.
  expect_arrives web "$(address host outside)" tcp 9090
  expect_denied web "$(address host outside)" tcp 8080
}
in_both_families accepted
