#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The verbs that ask the daemon print the documented JSON and end with the documented exit codes (docs/cli.md).
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 8080

expect_exit() { # CODE COMMAND...
  local wanted=$1 got=0
  shift
  "$@" >"$work/out" 2>"$work/err" || got=$?
  [ "$got" = "$wanted" ] || fail "$* exits $got instead of $wanted: $(cat "$work/out" "$work/err")"
  passed "$* exits $wanted"
}
expect_message() { expect "it says \"$1\"" grep -q -e "$1" "$work/err"; }

for verb in status policies flows reload render; do
  DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere expect_exit 3 drywall "$verb"
done

start_daemon
given_host_endpoint server if-client
given policies.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: deny-web}
spec:
  order: 7.5
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [8080]}}]
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: same, namespace: one}
spec: {selector: a == 'b', types: [Ingress]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: same, namespace: two}
spec: {selector: a == 'b', types: [Ingress]}
END
expect_exit 0 drywall flows
expect_message "no flow fits"
expect_arrives client host tcp 8080
expect_flow port=8080 pending=would-deny

keys() { # PYTHON-EXPRESSION KEYS: that object has them, in this order; others may have been added
  python3 -c '
import json, sys
text = sys.stdin.read()
document = json.loads(text.splitlines()[0] if sys.argv[3] == "lines" else text)
value, keys = eval(sys.argv[1]), sys.argv[2].split()
sys.exit(0 if [key for key in value if key in keys] == keys else f"{list(value)} has not {keys}")' "$1" "$2" "${3-}"
}
expect_keys() { # VERB PYTHON-EXPRESSION KEYS
  drywall "$1" -o json >"$work/json" 2>/dev/null || fail "$1 -o json"
  expect "$1: $2 has its keys in order" keys "$2" "$3" "${4-}" <"$work/json"
}
expect_keys status document "version node state generation applied_at policy_dir diagnostics policies endpoints \
unpoliced_interfaces failsafe kernel conntrack evidence confirm"
expect_keys status 'document["kernel"]' "in_sync healed last_heal last_open_us longest_open_us owned"
expect_keys status 'document["evidence"]' "since lost gaps evicted limited full unheard receive_buffer"
expect_keys status 'document["endpoints"][0]' "kind namespace name interfaces"
expect_keys status 'document["diagnostics"][0]' "file line column severity code message help" # a warning
expect_keys policies 'document[0]' "kind namespace name tier order staged staged_action types selector file line \
endpoints rules pending"
expect_keys policies 'document[0]["rules"][0]' "direction rule action file line packets bytes last_hit"
expect_keys policies 'document[0]["pending"]' "would_deny would_allow"
expect_keys reload document "generation changed diagnostics"
expect_keys flows document "start end reporter source destination protocol icmp_type icmp_code interface bucket action \
pending_action differs failsafe policies packets bytes connections lost" lines
expect_keys flows 'document["source"]' "type namespace name labels addresses" lines
expect_keys flows 'document["destination"]' "type namespace name labels addresses port" lines
expect_keys flows 'document["policies"]["pending"][0]' "tier kind namespace name rule action file line" lines
expect_keys flows 'document["connections"]' "started completed live" lines
expect "an order of 7.5 is a number" sh -c '"$0" policies -o json | grep -q "\"order\": 7.5"' "$build/drywall"
expect "no order is null" sh -c '"$0" policies -o json | grep -q "\"order\": null"' "$build/drywall"

count() { drywall flows -o json "$@" 2>/dev/null | wc -l; }
expect "a filter that fits" test "$(count --pending-action would-deny --port 8080 --protocol tcp --reporter dst)" -ge 1
expect "a filter by policy" test "$(count --policy StagedGlobalNetworkPolicy/deny-web)" -ge 1
expect "the same policy, its tier before its name" test "$(count --policy default.deny-web)" -ge 1
expect "a filter by CIDR" test "$(count --source 10.77.0.0/16)" -ge 1
expect "a filter that fits nothing" test "$(count --port 9)" = 0
expect "a filter on verdicts that agree" test "$(count --action deny)" = 0

expect_exit 0 drywall flows --wide
expect "a wide table has file and line" grep -q 'policies.yaml:8' "$work/out"
expect "no colour outside a terminal" sh -c '! grep -q "$(printf "\033")" "$0"' "$work/out"
expect_exit 0 drywall policies --wide
expect_exit 0 drywall render --world pending
expect "the rendering is nft's language" grep -q '^table ip drywall' "$work/out"

expect_exit 2 drywall
expect_exit 2 drywall frobnicate
expect_exit 2 drywall status --frobnicate
expect_exit 2 drywall flows -o xml
expect_exit 2 drywall flows --port seven
expect_exit 2 drywall flows --policy unheard-of
expect_message "there is no policy \"unheard-of\"; there is .*deny-web"
expect_exit 2 drywall flows --policy same
expect_message "NetworkPolicy/one/same or NetworkPolicy/two/same"
expect_exit 0 drywall flows --policy one/same
expect_exit 0 drywall --help
expect_exit 0 drywall version

# --follow shows what comes.
drywall flows --follow --port 8080 -o json >"$work/followed" 2>/dev/null &
follower=$!
before=$(wc -l <"$work/followed")
expect_arrives client host tcp 8080
more_came() { [ "$(wc -l <"$work/followed")" -gt "$before" ]; }
expect "--follow shows a new connection" eventually 3 more_came
kill "$follower"

if setpriv --reuid 65534 --clear-groups true 2>/dev/null; then
  expect_exit 4 setpriv --reuid 65534 --clear-groups "$build/drywall" reload
else
  echo "not shown: that reload exits 4 for another user (this namespace has only one user)"
fi

write_policy broken.yaml <<'END'
kind: nothing
END
expect_exit 1 drywall reload
expect_exit 1 drywall status
expect_exit 1 drywall check "$policy_dir"
rm "$policy_dir/broken.yaml"
expect_exit 0 drywall reload
expect_exit 0 drywall check "$policy_dir"
expect_exit 1 drywall check --strict "$policy_dir" # two namespaces are only named
expect_exit 2 drywall check "$policy_dir/nowhere"

# A stream that ends because the daemon does is no end of the flows.
status=0
drywall flows --follow >"$work/out" 2>"$work/err" &
follower=$!
eventually 3 test -s "$work/out" || fail "--follow shows nothing"
kill -KILL "$daemon_pid"
wait "$follower" || status=$?
expect "--follow exits 3 when drywalld dies" test "$status" = 3
expect_message "drywalld ended the stream"
