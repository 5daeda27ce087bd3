#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Loopback works whatever the policy, also under a deny-all for every interface.
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 8080
serve host udp 8080
start_daemon
given_host_endpoint server '*' ""
given deny-all.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-all}
spec:
  types: [Ingress, Egress]
END

loopback() {
  expect_denied client host tcp 8080
  for to in $([ "$family" = 4 ] && echo 127.0.0.1 || echo ::1) "$(address host client)"; do
    for protocol in tcp udp; do
      expect "the host reaches itself at $to by $protocol" \
        python3 "$integration/traffic.py" connect "$protocol" "$to" 8080 3
    done
  done
}
in_both_families loopback
