#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A staged lockdown: the preview names who would be denied and by what, the live connections with what becomes of each,
# the rules that nothing hit, and why it is not ready. Evidence outlives kill -9 and restart, and begins anew when the
# policy says something else.

. "${0%/*}/lib.sh"

neighbour frontend 1
neighbour database 2
neighbour backend 3
serve backend tcp 8080 9090
serve host tcp 7070
start_daemon
given_workload frontend prod
given_workload database prod
given_workload backend prod

drywall preview >"$work/nothing" || fail "nothing staged should be ready"
expect "nothing staged is said, and is no refusal" grep -q "nothing is staged" "$work/nothing"

# An idle connection from before the staging, kept open while all that follows happens.
mkfifo "$work/hold"
in_namespace frontend python3 "$integration/hold.py" "$(address backend)" 8080 "$work/held" <"$work/hold" &
exec 9>"$work/hold"
eventually 5 test -e "$work/held" || fail "the connection to be held was not made"

lockdown() { # RULES
  given lockdown.yaml <<END
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: backend-lockdown}
spec:
  selector: app == 'backend'
  types: [Ingress]
  ingress:
  - {action: Allow, protocol: TCP, source: {selector: app == 'database'}, destination: {ports: [$1]}}
  - {action: Allow, protocol: UDP, destination: {ports: [53]}}
END
}
lockdown 8080

began=$(date +%s%N)
expect_preview "the idle connection from before is listed" \
  "[c for c in p['connections'] if c['dst_port'] == 8080 and c['would'] == 'would-deny' and c['survives']]"
[ $((($(date +%s%N) - began) / 1000000)) -lt 2000 ] || fail "it took more than 2 s to list it"
expect "status says so too" test "$(status_value live.would_deny)" = 1

in_both_families expect_arrives frontend backend tcp 8080
in_both_families expect_arrives database backend tcp 8080
in_both_families expect_arrives database backend tcp 9090
expect_preview "who would be denied, where, how often and by what" "
  {(g['source']['name'], g['port'], g['flows'], g['policy'], g['rule']) for g in p['new_denies']} ==
  {('frontend', 8080, 2, 'StagedGlobalNetworkPolicy/backend-lockdown', -1),
   ('database', 9090, 2, 'StagedGlobalNetworkPolicy/backend-lockdown', -1)}"
expect "it is not ready, and says why" ask "not p['ready'] and len(p['reasons']) >= 2 and
  any('min_observed' in r for r in p['reasons']) and any('would be denied' in r for r in p['reasons'])"
expect "the rule that nothing hit is named with its place" ask "
  [(r['rule'], r['line']) for r in p['unused_rules']] == [(1, 9)]"
expect "all seen flows of the governed endpoint are counted" ask "p['observed']['flows'] == 6"
expect "nothing would be allowed anew" ask "p['new_allows'] == []"
expect "the failsafe ports are listed" ask "'tcp:22' in p['failsafe']['inbound']"

drywall preview >"$work/text" && fail "a preview that is not ready must end with 1"
expect "the table says it in words" grep -q "prod/frontend.*tcp/8080" "$work/text"
expect "and what becomes of the live connection" grep -q "goes on; denied if begun anew" "$work/text"
drywall preview nonsense 2>"$work/error" && fail "an unknown name must end with 2" || expect "an unknown policy is 2" test $? = 2
first=$(json_value content_sha256 <"$work/preview.json")

# One minute's would-deny is told once a kind, in the journal.
expect "each new kind of would-deny is told once" test "$(grep -c "is allowed and would be denied" "$work/daemon.log")" = 2

# Evidence over kill -9: what was written is there again.
sleep 11
kill -KILL "$daemon_pid"
wait "$daemon_pid" 2>/dev/null || true
start_daemon
expect_preview "evidence is there after kill -9" "p['observed']['flows'] == 6 and len(p['new_denies']) == 2"
expect "the content is the same" ask "p['content_sha256'] == '$first'"

# The same words written otherwise are the same content; other words are not.
sed -i 's/^spec:/# a comment\nspec:/' "$policy_dir/lockdown.yaml" && reload
expect_preview "a comment changes nothing" "p['content_sha256'] == '$first' and p['observed']['flows'] == 6"
lockdown "8080, 9090"
expect_preview "another content begins anew" "p['content_sha256'] != '$first' and p['observed']['flows'] == 0 and
  p['observed']['seconds'] < 5"
expect "what was seen before is judged by the new content" ask "
  {(g['source']['name'], g['port'], g['flows'], g['earlier_flows']) for g in p['new_denies']} == {('frontend', 8080, 0, 3)}"
