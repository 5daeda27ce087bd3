#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The daemon ends, is killed and starts again and again under traffic: no packet of an allowed connection is lost, none
# of a denied one comes through, the rules are never touched, and their counters only rise.
# alone: it counts what comes through in a time.
. "${0%/*}/lib.sh"

neighbour client 1
given_host_endpoint server if-client ''
given steady.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: steady}
spec:
  selector: role == 'server'
  ingress: [{action: Allow, protocol: UDP, destination: {ports: [7000]}}, {action: Deny, protocol: UDP, destination: {ports: [7001]}}]
  egress: [{action: Allow}]
---
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: nothing}
spec: {selector: role == 'server', ingress: [{action: Deny}]}
END
start_daemon
denied() { nft list table ip drywall | sed -n '/chain dw1eniD/,/}/s/.*packets \([0-9]*\).*steady rule 1 .*/\1/p'; }
handles() { nft -a list table ip drywall | sed -n 's/.*# handle //p' | sha256sum; }

python3 "$integration/steady.py" listen "$work/listening" "$work/knocked" &
listener=$!
eventually 10 test -e "$work/listening" || fail "nobody listens"
in_namespace client python3 "$integration/steady.py" talk "$(address host client)" 8 >"$work/talked" &
talker=$!
eventually 5 eval '[ "$(denied)" -gt 0 ]' || fail "nothing is denied"
before=$(handles)
restarts=0 counted=0
while kill -0 "$talker" 2>/dev/null; do
  signal=$([ $((restarts % 2)) = 0 ] && echo KILL || echo TERM)
  kill "-$signal" "$daemon_pid"
  wait "$daemon_pid" 2>/dev/null || true
  start_daemon
  restarts=$((restarts + 1))
  now=$(denied)
  [ "$now" -ge "$counted" ] || fail "a counter went back after SIG$signal: $counted, then $now"
  counted=$now
done
wait "$talker" || fail "the client did not come to its end"
kill "$listener"
wait "$listener" || true
read -r sent missing knocks <"$work/talked"
echo "measured: $restarts restarts; $sent datagrams, $knocks knocks"
[ "$restarts" -ge 4 ] || fail "only $restarts restarts"
[ "$missing" -eq 0 ] || fail "$missing of $sent allowed datagrams were lost"
[ "$(cat "$work/knocked")" -eq 0 ] || fail "$(cat "$work/knocked") of $knocks denied datagrams came through"
[ "$(handles)" = "$before" ] || fail "a restart changed the rules"
passed "no packet was decided differently over $restarts restarts, and no rule was touched"
