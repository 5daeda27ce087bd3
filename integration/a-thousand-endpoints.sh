#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A thousand workloads, even and odd ones. The first and the last one have interfaces and meet the policy of their kind.
# alone: it measures how long many endpoints take.
. "${0%/*}/lib.sh"

neighbour w1 1
neighbour w1000 2
serve w1 tcp 8080
serve w1000 tcp 8080
start_daemon

endpoints() {
  echo "{apiVersion: v1, kind: Namespace, metadata: {name: prod}}"
  for number in $(seq 1 1000); do
    local addresses="10.78.$((number / 250)).$((number % 250 + 1))/32, \"fd78::$number/128\""
    [ "$number" != 1 ] || addresses="10.77.1.2/32, \"fd77:1::2/128\""
    [ "$number" != 1000 ] || addresses="10.77.2.2/32, \"fd77:2::2/128\""
    cat <<END
---
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata:
  name: w$number
  namespace: prod
  labels: {group: $([ $((number % 2)) = 0 ] && echo even || echo odd)}
spec: {node: host, interfaceName: if-w$number, ipNetworks: [$addresses], profiles: [kns.prod]}
END
  done
}
endpoints | given_large endpoints.yaml "a thousand endpoints"
reach_each_other() {
  expect_arrives w1 w1000 tcp 8080
  expect_arrives w1000 w1 tcp 8080
}
in_both_families reach_each_other

# group KIND FROM TO: of the workloads of group TO, only those of group FROM reach port 8080.
group() {
  cat <<END
---
apiVersion: projectcalico.org/v3
kind: $1
metadata: {name: $2-to-$3, namespace: prod}
spec:
  selector: group == '$3'
  types: [Ingress]
  ingress: [{action: Allow, protocol: TCP, source: {selector: group == '$2'}, destination: {ports: [8080]}}]
END
}
{ group NetworkPolicy even odd && group NetworkPolicy even even; } |
  given_large policies.yaml "two policies for a thousand endpoints"
only_even_ones_reach() {
  expect_denied w1 w1000 tcp 8080
  expect_flow reporter=dst action=deny source=w1 destination=w1000 port=8080 enforced="NetworkPolicy prod/even-to-even -1 deny"
  expect_arrives w1000 w1 tcp 8080
  expect_flow reporter=dst action=allow source=w1000 destination=w1 port=8080 enforced="NetworkPolicy prod/even-to-odd 0 allow"
}
in_both_families only_even_ones_reach

{ group StagedNetworkPolicy even odd && group StagedNetworkPolicy even even; } |
  given_large policies.yaml "two staged policies for a thousand endpoints"
only_even_ones_would_reach() {
  expect_arrives w1 w1000 tcp 8080
  expect_flow reporter=dst action=allow pending=would-deny source=w1 destination=w1000 port=8080 \
    staged="StagedNetworkPolicy prod/even-to-even -1 deny"
  expect_arrives w1000 w1 tcp 8080
  expect_flow reporter=dst action=allow pending=would-allow source=w1000 destination=w1 port=8080 \
    staged="StagedNetworkPolicy prod/even-to-odd 0 allow"
}
in_both_families only_even_ones_would_reach
