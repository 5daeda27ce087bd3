#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Staged doNotTrack policy is recorded as would-allow and would-deny in the untracked bucket, for both directions, and
# changes nothing: what arrived arrives, what was denied is denied, and all of it is tracked.
. "${0%/*}/lib.sh"

neighbour open 1
neighbour closed 2
serve host udp 5000 6000
start_daemon
given_host_endpoint open if-open
given_host_endpoint closed if-closed ""

tracked() { # NUMBER NAME PORT
  [ "$(python3 -B "$integration/connections.py" protocol=udp "source=$(address "$2")" "port=$3" | wc -l)" = "$1" ]
}
nothing_changed() { # TIME: how many times this was asked in this family
  expect_arrives open host udp 5000
  expect_arrives open host udp 6000
  expect_denied closed host udp 5000
  expect_denied closed host udp 6000
  for port in 5000 6000; do
    expect "each connection to $port is tracked (IPv$family)" tracked "$1" open "$port"
  done
}
in_both_families nothing_changed 1

given staged.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: untracked}
spec:
  selector: has(role)
  applyOnForward: true
  doNotTrack: true
  types: [Ingress, Egress]
  ingress:
  - {action: Allow, protocol: UDP, destination: {ports: [5000]}}
  - {action: Deny, protocol: UDP, destination: {ports: [6000]}}
  egress:
  - {action: Allow, protocol: UDP, source: {ports: [5000]}}
  - {action: Deny, protocol: UDP, source: {ports: [6000]}}
END
staged_tells() {
  nothing_changed 2
  for name in open closed; do
    expect_flow bucket=untracked reporter=dst action=allow pending=would-allow port=5000 source="$(address "$name")" \
      interface="if-$name" enforced="" staged="StagedGlobalNetworkPolicy untracked 0 allow"
    expect_flow bucket=untracked reporter=dst action=allow pending=would-deny port=6000 source="$(address "$name")" \
      interface="if-$name" enforced="" staged="StagedGlobalNetworkPolicy untracked 1 deny"
  done
  expect_flow bucket=untracked reporter=src action=allow pending=would-allow destination="$(address open)" enforced="" \
    staged="StagedGlobalNetworkPolicy untracked 0 allow"
  expect_flow bucket=untracked reporter=src action=allow pending=would-deny destination="$(address open)" enforced="" \
    staged="StagedGlobalNetworkPolicy untracked 1 deny"

  # Normal policy would be spared what untracked policy allows, and would never see what that denies.
  expect_flow bucket=normal reporter=dst action=deny pending=would-allow port=5000 source="$(address closed)" staged=""
  expect_flow bucket=normal reporter=dst action=deny pending=would-deny port=6000 source="$(address closed)" staged=""
  expect_flow bucket=normal reporter=dst action=allow pending=would-allow port=5000 source="$(address open)" staged=""
  expect_flow bucket=normal reporter=dst action=allow pending=would-deny port=6000 source="$(address open)" staged=""
}
in_both_families staged_tells
