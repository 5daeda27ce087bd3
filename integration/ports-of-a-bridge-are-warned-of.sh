#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `drywall check` and `drywall status` warn of endpoints whose interface is a port of a bridge, also if it becomes one
# later: then its workload goes on being policed, by its address.
. "${0%/*}/lib.sh"

bridge br0 1
bridged web br0 2
bridged guest br0 3
neighbour outside 2
serve web tcp 8080 9090
start_daemon
given_workload web prod
given policies.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: prod}
spec:
  types: [Ingress]
  ingress: [{action: Allow, protocol: TCP, destination: {ports: [8080]}}]
END
given_host_endpoint outside if-outside

# warnings COMMAND...: the files that it warns of, sorted.
warnings() {
  ("$@" || true) | python3 -c '
import json, sys
told = json.load(sys.stdin)
told = told["diagnostics"] if isinstance(told, dict) else told
told = [(d["file"].split("/")[-1], d["severity"], d["message"]) for d in told if d["code"] == "behind-bridge"]
assert all(severity == "warning" and "br0" in message for _, severity, message in told), told
print(*sorted(file for file, *_ in told))'
}
told() { # FILES COMMAND...
  local files=$1
  shift
  [ "$(warnings "$@")" = "$files" ]
}
both_tell() { # FILES
  expect "status warns of \"$1\"" eventually 5 told "$1" drywall status -o json
  expect "check warns of \"$1\"" told "$1" drywall check -o json "$policy_dir"
}
policed() {
  expect_arrives outside web tcp 8080
  expect_denied outside web tcp 9090
}

both_tell workload-web.yaml
in_both_families policed
given_host_endpoint guest if-guest
both_tell "endpoint-guest.yaml workload-web.yaml"
expect "the state is not degraded by it" test "$(status_value state)" = enforcing
expect "check does not fail" drywall check "$policy_dir"
expect "check --strict does" sh -c '! "$@"' sh "$build/drywall" check --strict "$policy_dir"

# Out of the bridge and into it again.
ip link set if-guest nomaster
ip link set if-web nomaster
both_tell ""
ip link set if-web master br0
both_tell workload-web.yaml
in_both_families policed
