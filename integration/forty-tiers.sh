#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Forty tiers pass a packet on, half of them by a rule and half by their default; what decides then is the last one.
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 8080 9090
start_daemon
given_host_endpoint server if-client

tiers() {
  for number in $(seq 10 49); do
    cat <<END
---
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: tier-$number}
spec: {order: $number, defaultAction: $([ $((number % 2)) = 0 ] && echo Deny || echo Pass)}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: policy-$number}
spec:
  tier: tier-$number
  selector: role == 'server'
  types: [Ingress, Egress]
$([ $((number % 2)) = 0 ] && printf '  ingress: [{action: Pass}]\n  egress: [{action: Pass}]')
END
  done
}
tiers | given_large tiers.yaml "forty tiers"
given last.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: last}
spec:
  order: 2
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [8080]}}, {action: Allow}]
---
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: staged-last}
spec:
  order: 1
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [9090]}}]
END

passes() {
  for number in $(seq 10 49); do
    printf 'GlobalNetworkPolicy policy-%s %s pass, ' "$number" "$([ $((number % 2)) = 0 ] && echo 0 || echo -1)"
  done
}
forty_deep() {
  expect_denied client host tcp 8080
  expect_flow action=deny pending=would-deny source="$(address client)" port=8080 \
    enforced="$(passes)GlobalNetworkPolicy last 0 deny" staged="$(passes)GlobalNetworkPolicy last 0 deny"
  expect_arrives client host tcp 9090
  expect_flow action=allow pending=would-deny source="$(address client)" port=9090 \
    enforced="$(passes)GlobalNetworkPolicy last 1 allow" staged="$(passes)StagedGlobalNetworkPolicy staged-last 0 deny"
}
in_both_families forty_deep

# All forty staged as well: the enforced ones gone, the pending world is what the enforced one was.
tiers | sed 's/kind: GlobalNetworkPolicy/kind: StagedGlobalNetworkPolicy/' |
  given_large tiers.yaml "forty tiers, staged"
staged_passes() { passes | sed 's/GlobalNetworkPolicy/StagedGlobalNetworkPolicy/g'; }
forty_deep_staged() {
  expect_denied client host tcp 8080
  expect_flow action=deny pending=would-deny source="$(address client)" port=8080 \
    enforced="GlobalNetworkPolicy last 0 deny" staged="$(staged_passes)GlobalNetworkPolicy last 0 deny"
  expect_arrives client host tcp 9090
  expect_flow action=allow pending=would-deny source="$(address client)" port=9090 \
    enforced="GlobalNetworkPolicy last 1 allow" staged="$(staged_passes)StagedGlobalNetworkPolicy staged-last 0 deny"
}
in_both_families forty_deep_staged
