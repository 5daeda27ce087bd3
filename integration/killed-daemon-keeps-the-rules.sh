#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# When the daemon dies the kernel keeps the rules; the next daemon goes on with their generation and counters.
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 8080 9090
start_daemon
given_host_endpoint server if-client
given policy.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-8080}
spec:
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [8080]}}, {action: Allow}]
END
rules_hold() { expect_denied client host tcp 8080 && expect_arrives client host tcp 9090; }
packets() {
  drywall policies -o json |
    python3 -c 'import json, sys; print(sum(r["packets"] for p in json.load(sys.stdin) for r in p["rules"]))'
}
in_both_families rules_hold
generation=$(status_value generation)
before=$(packets)
expect "packets are counted" test "$before" -ge 4

kill -KILL "$daemon_pid"
wait "$daemon_pid" 2>/dev/null || true
expect "status exits 3 without a daemon" sh -c '"$1" status 2>/dev/null; [ $? = 3 ]' sh "$build/drywall"
in_both_families rules_hold

start_daemon
expect "the generation went on" test "$(status_value generation)" -ge "$generation"
expect "no counter went back: $before then, $(packets) now" test "$(packets)" -ge "$before"
in_both_families rules_hold

kill -KILL "$daemon_pid"
wait "$daemon_pid" 2>/dev/null || true
write_policy another.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: a-deny-9090}
spec:
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [9090]}}]
END
before=$(nft list table ip drywall | sed -n '/deny-8080 rule 0/s/.*packets \([0-9]*\).*/\1/p')
expect "the denied packets were counted" test "$before" -ge 1
start_daemon
in_both_families expect_denied client host tcp 9090
after=$(nft list table ip drywall | sed -n '/deny-8080 rule 0/s/.*packets \([0-9]*\).*/\1/p')
expect "a policy that came while no daemon ran leaves the other's counter: $before then, $after now" \
  test "$after" -ge "$before"

# A drywalld that only puts the directory in force may be about when the daemon starts.
kill -KILL "$daemon_pid"
wait "$daemon_pid" 2>/dev/null || true
flock "$work/runtime/drywalld.lock" sleep 1 &
sleep 0.2
start_daemon
passed "a daemon waits for one that ends soon"
"$build/drywalld" --policy-dir "$policy_dir" --state-dir "$work/state" --runtime-dir "$work/runtime" --node host --once \
  >"$work/once.log" 2>&1 && fail "a second drywalld runs beside the first"
expect "another one beside it is refused" grep -q 'another drywalld is running' "$work/once.log"
in_both_families expect_denied client host tcp 9090
