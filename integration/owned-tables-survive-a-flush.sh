#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# With own_tables the kernel lets nobody but the daemon flush, delete or change our tables, so there is nothing to heal
# and no moment without rules. They stay when the daemon ends or dies, and the next one takes them over untouched.
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
END
config=$work/drywall.yaml
echo 'own_tables: auto' >"$config"
start_daemon --config "$config"
if [ "$(status_value kernel.owned)" != true ]; then
  echo "this kernel has no tables of one owner that stay: they came with Linux 6.9"
  exit 77
fi
handles() { nft -a list table ip drywall | sed -n '/^table/d; s/.*# handle //p' | sha256sum; }
denied() { nft list table ip drywall | sed -n '/chain dw1eniD/,/}/s/.*packets \([0-9]*\).*steady rule 1 .*/\1/p'; }
is_listed() { nft list ruleset >/dev/null; }
refused() { ! nft "$@" 2>"$work/refused" && grep -q 'Operation not permitted' "$work/refused"; }

python3 "$integration/steady.py" listen "$work/listening" "$work/knocked" &
listener=$!
eventually 10 test -e "$work/listening" || fail "nobody listens"
in_namespace client python3 "$integration/steady.py" talk "$(address host client)" 10 >"$work/talked" &
talker=$!
eventually 5 eval '[ "$(denied)" -gt 0 ]' || fail "nothing is denied"

before=$(handles)
for _ in {1..20}; do nft flush ruleset; done
expect "a deletion is refused" refused delete table ip drywall
expect "a rule is refused" refused insert rule ip drywall enforced-input-host accept
expect "twenty flushes have changed nothing" [ "$(handles)" = "$before" ]
expect "there was nothing to heal" [ "$(status_value kernel.healed)" -eq 0 ]

generation=$(status_value generation)
sed -i 's/ports: \[7001\]/ports: [7001, 7002]/' "$policy_dir/steady.yaml"
reload
expect "our own changes are taken" [ "$(status_value generation)" -gt "$generation" ]
before=$(handles) counted=$(denied)
for signal in KILL TERM; do
  kill "-$signal" "$daemon_pid"
  wait "$daemon_pid" 2>/dev/null || true
  expect "the rules stay after SIG$signal" [ "$(handles)" = "$before" ]
  expect "nft lists them" is_listed
  start_daemon --config "$config"
  expect "they are the next daemon's own" [ "$(status_value kernel.owned)" = true ]
  expect "which has not touched them" [ "$(handles)" = "$before" ]
  expect "and cannot be deleted" refused delete table ip6 drywall
done
expect "the counters went on" [ "$(denied)" -ge "$counted" ]

wait "$talker" || fail "the client did not come to its end"
kill "$listener"
wait "$listener" || true
read -r sent missing knocks <"$work/talked"
echo "measured: $sent datagrams, $knocks knocks"
[ "$missing" -eq 0 ] || fail "$missing of $sent allowed datagrams were lost"
[ "$(cat "$work/knocked")" -eq 0 ] || fail "$(cat "$work/knocked") of $knocks denied datagrams came through"
passed "no packet was decided differently"

echo 'own_tables: no' >"$config"
reload
expect "given up, they are anybody's" [ "$(status_value kernel.owned)" = false ]
nft list table ip drywall >"$work/listed"
expect "nft reads back what it lists" nft -c -f "$work/listed"
nft flush ruleset
expect "and a flush is healed" eventually 2 eval '[ "$(status_value kernel.healed)" -eq 1 ]'
