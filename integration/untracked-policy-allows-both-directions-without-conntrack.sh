#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What doNotTrack policy allows in both directions is answered and never known to connection tracking, although normal
# policy would deny it; with one direction missing there is no answer.
. "${0%/*}/lib.sh"

neighbour client 1
neighbour other 2
serve host udp 5000 6000
start_daemon
given_host_endpoint server if-client ""
given_host_endpoint open if-other

tracked() { # NAME PORT
  python3 -B "$integration/connections.py" protocol=udp "source=$(address "$1")" "port=$2" >"$work/connections"
}
untracked() { ! tracked "$@"; }

untracked_policy() { # TYPES
  given untracked.yaml <<END
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: fast-service}
spec:
  selector: role == 'server'
  applyOnForward: true
  doNotTrack: true
  types: [$1]
  ingress: [{action: Allow, protocol: UDP, destination: {ports: [5000]}}]
  egress: [{action: Allow, protocol: UDP, source: {ports: [5000]}}]
END
}

untracked_policy "Ingress, Egress"
both_directions() {
  expect_arrives client host udp 5000
  expect "it has no entry in connection tracking (IPv$family)" untracked client 5000
  expect_denied client host udp 6000
  # Whoever is not governed is tracked as ever: so an entry would be seen.
  expect_arrives other host udp 5000
  expect "the other's has an entry (IPv$family)" tracked other 5000
}
in_both_families both_directions
for client in 10.77.1.2 fd77:1::2; do
  rule="GlobalNetworkPolicy fast-service 0 allow"
  expect_flow bucket=untracked reporter=dst action=allow port=5000 source="$client" enforced="$rule"
  expect_flow bucket=untracked reporter=src action=allow destination="$client" enforced="$rule"
done

one_direction() { expect_denied client host udp 5000; }
untracked_policy Ingress # the answer meets normal egress policy, for which it is a flow of its own
in_both_families one_direction
untracked_policy Egress # the request meets normal ingress policy
in_both_families one_direction
untracked_policy "Ingress, Egress"
in_both_families both_directions
