#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A Pass leads to the next tier, 20 tiers deep, in the enforced and in the pending world.
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 8080 9090
start_daemon

tier() { # NUMBER NAME ORDER-IN-TIER KIND RULES
  cat <<END
---
apiVersion: projectcalico.org/v3
kind: $4
metadata: {name: $2}
spec:
  tier: tier-$1
  order: $3
  selector: role == 'server'
  types: [Ingress]
  ingress: [$5]
END
}
tiers() {
  for number in $(seq 10 29); do
    cat <<END
---
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: tier-$number}
spec: {order: $number}
END
  done
  for number in $(seq 10 28); do
    tier "$number" "pass-$number" 1 GlobalNetworkPolicy "{action: Pass}"
  done
  tier 29 last 2 GlobalNetworkPolicy "{action: Deny, protocol: TCP, destination: {ports: [8080]}}, {action: Allow}"
  tier 29 staged-last 1 StagedGlobalNetworkPolicy "{action: Deny, protocol: TCP, destination: {ports: [9090]}}"
}
given_host_endpoint server if-client
tiers | given tiers.yaml

passes() { for number in $(seq 10 28); do printf 'GlobalNetworkPolicy pass-%s 0 pass, ' "$number"; done; }

deep_pass() {
  expect_denied client host tcp 8080
  expect_flow action=deny pending=would-deny source="$(address client)" port=8080 \
    enforced="$(passes)GlobalNetworkPolicy last 0 deny" staged="$(passes)GlobalNetworkPolicy last 0 deny"
  expect_arrives client host tcp 9090
  expect_flow action=allow pending=would-deny source="$(address client)" port=9090 \
    enforced="$(passes)GlobalNetworkPolicy last 1 allow" staged="$(passes)StagedGlobalNetworkPolicy staged-last 0 deny"
}
in_both_families deep_pass
