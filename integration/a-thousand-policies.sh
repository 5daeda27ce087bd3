#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A thousand policies govern one endpoint: the first, a middle and the last one decide what only they mention.
# alone: it measures how long many policies take.
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 10001 10500 10501 11000 11001
start_daemon
given_host_endpoint server if-client

# policies KIND: number N allows its own port, 10000 + N; if N is odd it also denies the next one's, which that one allows
# in vain.
policies() {
  for number in $(seq 1 1000); do
    cat <<END
---
apiVersion: projectcalico.org/v3
kind: $1
metadata: {name: policy-$number}
spec:
  order: $number
  selector: role == 'server'
  types: [Ingress]
  ingress:
  - {action: Allow, protocol: TCP, destination: {ports: [$((10000 + number))]}}
$([ $((number % 2)) = 0 ] || [ "$number" = 999 ] ||
      echo "  - {action: Deny, protocol: TCP, destination: {ports: [$((10001 + number))]}}")
END
  done
}

# each_decides FIELD KIND BLAMED: the traces in that field of the flow records name who decided; BLAMED at the tier's end.
each_decides() {
  expect_flow "$1=$2 policy-1 0 allow" source="$(address client)" port=10001
  expect_flow "$1=$2 policy-499 1 deny" source="$(address client)" port=10500
  expect_flow "$1=$2 policy-501 0 allow" source="$(address client)" port=10501
  expect_flow "$1=$2 policy-1000 0 allow" source="$(address client)" port=11000
  expect_flow "$1=$2 $3 -1 deny" source="$(address client)" port=11001
}
enforced() {
  expect_arrives client host tcp 10001
  expect_denied client host tcp 10500
  expect_arrives client host tcp 10501
  expect_arrives client host tcp 11000
  expect_denied client host tcp 11001
  each_decides enforced GlobalNetworkPolicy policy-1000
}
policies GlobalNetworkPolicy | given_large policies.yaml "a thousand policies"
in_both_families enforced

# The last one alone changed: what an edit costs.
policies GlobalNetworkPolicy | sed 's/ports: \[11000\]/ports: [11001]/' |
  given_large policies.yaml "one policy of a thousand edited"
edited() {
  expect_denied client host tcp 11000
  expect_arrives client host tcp 11001
}
in_both_families edited

policies StagedGlobalNetworkPolicy | given_large policies.yaml "a thousand policies, staged"
staged() {
  for port in 10001 10500 10501 11000 11001; do expect_arrives client host tcp "$port"; done
  each_decides staged StagedGlobalNetworkPolicy policy-1
  expect_flow action=allow pending=would-deny source="$(address client)" port=11001
  expect_flow action=allow pending=would-allow source="$(address client)" port=11000
}
in_both_families staged
