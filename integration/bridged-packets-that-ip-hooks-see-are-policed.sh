#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Where the kernel shows bridged packets to IP's hooks (bridge-nf-call-iptables, as Docker wants it), those between two
# workloads of a bridge are policed as if they were routed; those of others in the bridge are not.
. "${0%/*}/lib.sh"

[ -d /proc/sys/net/bridge ] || {
  echo "this kernel has no br_netfilter"
  exit 77
}
bridge br0 1 yes
bridged web br0 2
bridged db br0 3
bridged guest br0 4
for name in web db guest; do serve "$name" tcp 8080 9090; done
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
  types: [Ingress]
  ingress: [{action: Deny, source: {selector: app == 'web'}}, {action: Allow}]
END

inside() {
  expect_denied web db tcp 8080
  expect_flow reporter=src action=deny source=web destination=db port=8080 enforced="NetworkPolicy prod/web -1 deny"
  expect_denied web db tcp 9090
  expect_flow reporter=src action=allow source=web destination=db port=9090 enforced="NetworkPolicy prod/web 0 allow"
  expect_flow reporter=dst action=deny source=web destination=db port=9090 enforced="NetworkPolicy prod/db 0 deny"
  expect_arrives db web tcp 8080
  expect_denied db web tcp 9090
  expect_flow reporter=dst action=allow source=db destination=web port=8080 enforced="NetworkPolicy prod/web 0 allow"
  expect_arrives guest db tcp 8080
  expect_arrives db guest tcp 9090
  expect_denied guest web tcp 9090
}
in_both_families inside
