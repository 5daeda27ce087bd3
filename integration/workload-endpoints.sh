#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Workloads are policed on their way to each other and to the host: egress of the source, ingress of the destination.
. "${0%/*}/lib.sh"

neighbour frontend 1
neighbour backend 2
neighbour outside 3
for name in backend outside host; do serve "$name" tcp 8080 9090; done
start_daemon
given_workload frontend prod
given_workload backend prod
given policies.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: backend, namespace: prod}
spec:
  selector: app == 'backend'
  types: [Ingress]
  ingress: [{action: Allow, protocol: TCP, source: {selector: app == 'frontend'}, destination: {ports: [8080]}}]
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: frontend, namespace: prod}
spec:
  selector: app == 'frontend'
  types: [Egress]
  egress:
  - {action: Allow, protocol: TCP, destination: {selector: app == 'backend'}}
  - {action: Allow, protocol: TCP, destination: {ports: [8080]}}
---
apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: no-frontend, namespace: prod}
spec:
  order: 1
  selector: app == 'backend'
  types: [Ingress]
  ingress: [{action: Deny, source: {selector: app == 'frontend'}}]
END

on_forward() {
  expect_arrives frontend backend tcp 8080
  expect_flow reporter=src action=allow source=frontend destination=backend port=8080 \
    enforced="NetworkPolicy prod/frontend 0 allow"
  expect_flow reporter=dst action=allow pending=would-deny source=frontend destination=backend port=8080 \
    enforced="NetworkPolicy prod/backend 0 allow" staged="StagedNetworkPolicy prod/no-frontend 0 deny"
  expect_denied frontend backend tcp 9090
  expect_flow reporter=dst action=deny source=frontend destination=backend port=9090 \
    enforced="NetworkPolicy prod/backend -1 deny"
  expect_denied outside backend tcp 8080
  expect_flow reporter=dst action=deny source="$(address outside)" destination=backend port=8080
  expect_arrives frontend outside tcp 8080
  expect_denied frontend outside tcp 9090
  expect_flow reporter=src action=deny source=frontend destination="$(address outside)" port=9090 \
    enforced="NetworkPolicy prod/frontend -1 deny"
}
in_both_families on_forward

# Calico's default: a workload reaches no host, whatever its policy allows.
to_host_dropped() { expect_denied frontend host tcp 8080; }
in_both_families to_host_dropped

given felix.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {defaultEndpointToHostAction: Accept}
END
to_host_accepted() {
  expect_arrives frontend host tcp 8080
  expect_flow reporter=src action=allow source=frontend destination="$(address host frontend)" port=8080
  expect_denied frontend host tcp 9090
  expect_arrives outside host tcp 9090
}
in_both_families to_host_accepted
