#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A packet is in `drywall flows` within one second.
# alone: it measures that time.
. "${0%/*}/lib.sh"

neighbour client 1
serve host udp 8004 8006
start_daemon
given_host_endpoint server if-client
given deny.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: deny-udp}
spec:
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny, protocol: UDP}]
END

within_a_second() {
  local port="800$family"
  expect_no_flow port="$port"
  expect_arrives client host udp "$port"
  python3 "$integration/flow_match.py" --within 1 "$build/drywall" port="$port" source="$(address client)" \
    action=allow pending=would-deny || fail "no record after a second (IPv$family)"
  passed "the record is there within a second (IPv$family)"
}
in_both_families within_a_second
