#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One mistake anywhere in the directory keeps the whole last good generation in force, and status says where it is.
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 8080 9090
start_daemon
given_host_endpoint server if-client
given good.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-8080}
spec:
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [8080]}}, {action: Allow}]
END
generation=$(status_value generation)
old_rules() { expect_denied client host tcp 8080 && expect_arrives client host tcp 9090; }
in_both_families old_rules

rm "$policy_dir/good.yaml"
write_policy broken.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: broken}
spec:
  selector: role == 'server'
  ingress:
  - {action: Alow, protocol: TCP}
  - {action: Allow, protocol: TCP, destination: {ports: ["80-"]}}
END
is_degraded() { [ "$(status_value state)" = degraded ]; }
eventually 3 is_degraded || fail "the state should be degraded"
in_both_families old_rules
expect "the generation is still the old one" test "$(status_value generation)" = "$generation"

status=0
drywall status >"$work/status" 2>"$work/mistakes" || status=$?
expect "status exits 1" test "$status" = 1
expect "status shows the first mistake and its place" grep -q 'broken.yaml:7:.*error' "$work/mistakes"
expect "status shows the second mistake too" grep -q 'broken.yaml:8:.*error' "$work/mistakes"
status=0
drywall reload >"$work/out" 2>&1 || status=$?
expect "reload refuses it and exits 1" test "$status" = 1

rm "$policy_dir/broken.yaml"
is_mended() { [ "$(status_value state)" != degraded ]; }
eventually 3 is_mended || fail "the state should be good again"
mended() { expect_arrives client host tcp 8080; }
in_both_families mended
