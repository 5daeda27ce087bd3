#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An interface that no endpoint governs meets no rule that can drop, and leaves no record.
. "${0%/*}/lib.sh"

neighbour policed 1
neighbour other 2
serve host tcp 8080
serve other tcp 8080
start_daemon
given_host_endpoint server if-policed ""
given deny-all.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-all}
spec:
  types: [Ingress, Egress]
END

unaffected() {
  expect_denied policed host tcp 8080
  expect_arrives other host tcp 8080
  expect "the host reaches other (IPv$family)" python3 "$integration/traffic.py" connect tcp "$(address other)" 8080 3
  expect_flow source="$(address policed)" port=8080 action=deny
  expect_no_flow source="$(address other)"
  expect_no_flow destination="$(address other)"
}
in_both_families unaffected
expect "status names the interface as unpoliced" sh -c '"$1" status -o json | grep -q "\"if-other\""' sh "$build/drywall"
