#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Nothing ever tracked connections here, and hundreds live, in both directions, when the first rules come: a deny of
# everything. None stalls, whoever speaks first, and the kernel knows who began each; new connections are denied. Rules
# that are there already are replaced without any of this.
. "${0%/*}/lib.sh"

neighbour client 1
neighbour other 2
all=9000,9001,9002,9003
go=$work/go

served() { # NAME
  in_namespace "$1" python3 "$integration/sessions.py" serve "$work/serving-$1" "$go" &
  eventually 10 test -e "$work/serving-$1" || fail "$1 does not serve"
}
declare -A talker=()
# sessions NAME FROM INTERVAL COUNT PORTS ADDRESS...
sessions() {
  local name=$1 from=$2
  shift 2
  in_namespace "$from" python3 "$integration/sessions.py" talk "$work/made-$name" "$go" "$@" >"$work/result-$name" &
  talker[$name]=$!
  eventually 20 test -e "$work/made-$name" || fail "the sessions ($name) cannot be made"
}
none_stalled() { # NAME
  local made stalled
  wait "${talker[$1]}" || fail "$1: the sessions came to a bad end"
  read -r made stalled <"$work/result-$1"
  [ "$stalled" -eq 0 ] || fail "$1: $stalled of $made sessions stalled: $(sed 1d "$work/result-$1" | sort | uniq -c)"
  passed "$1: none of $made sessions stalled"
}
as_client_sees_host() { family=4 address host client && family=6 address host client; }
of() { family=4 address "$1" && family=6 address "$1"; }

served host
served client
served other
# shellcheck disable=SC2046 # two words
sessions "into the host" client 0.1 14 "$all" $(as_client_sees_host)
# shellcheck disable=SC2046
sessions "out of the host" host 0.1 14 "$all" $(of client)
# shellcheck disable=SC2046
sessions "through the host" client 0.01 2 9000,9001,9002 $(of other)
python3 -B "$integration/connections.py" && fail "connections are tracked before the first load"

write_policy deny.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: all, labels: {role: host}}
spec: {node: host, interfaceName: "*"}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: nothing}
spec: {selector: role == 'host', types: [Ingress, Egress]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: nothing-through}
spec: {selector: role == 'host', types: [Ingress, Egress], applyOnForward: true}
END
start_daemon
expect "the deny is in force" [ "$(status_value state)" = enforcing ]
# What this host's own sockets have part in was entered as it began, not as its next packet went.
python3 -B "$integration/connections.py" protocol=tcp >"$work/known" || true
known() { grep -c "$1" "$work/known" || true; }
for port in ${all//,/ }; do
  expect "the host's sessions at $port are known as they began" [ "$(known " destination=10.77.1.1 source_port=[0-9]* port=$port ")" -ge 14 ]
  expect "the host's sessions with $port are known as they began" [ "$(known " source=10.77.1.1 destination=[^ ]* source_port=[0-9]* port=$port ")" -ge 14 ]
  expect "none at $port is known the wrong way round" [ "$(known " source=10.77.1.1 destination=[^ ]* source_port=$port ")" -eq 0 ]
done
# And so does the preview of a policy that would allow what is denied now.
given open.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: open}
spec: {order: 1, selector: role == 'host', types: [Ingress, Egress], ingress: [{action: Allow}], egress: [{action: Allow}]}
END
expect_preview "the preview lists every session of the host as it began" "all(
  sum(c['src'] == src and c['dst'] == dst and c['dst_port'] == port and c['would'] == 'would-allow' for c in p['connections']) == 14
  for port in ($all)
  for here, there in (('10.77.1.1', '10.77.1.2'), ('fd77:1::1', 'fd77:1::2'))
  for src, dst in ((here, there), (there, here)))"
expect_preview "and none the wrong way round" "all(c['dst_port'] in ($all) for c in p['connections'] if c['protocol'] == 'tcp')"
rm "$policy_dir/open.yaml"
reload

touch "$go"
none_stalled "into the host"
none_stalled "out of the host"
none_stalled "through the host"
in_both_families expect_denied client host tcp 9000
in_both_families expect_denied host client tcp 9000
in_both_families expect_denied client other tcp 9000

sed -n 's/.*before the first rules, \(.*\)/measured: \1/p' "$work/daemon.log"
expect "live connections were entered" grep -q 'before the first rules, 2[0-9][0-9] live connections' "$work/daemon.log"

# Rules that are there are not taken away for it, whatever else changes.
kill -KILL "$daemon_pid"
wait "$daemon_pid" 2>/dev/null || true
sed -i 's/types: \[Ingress, Egress\]}/types: [Ingress, Egress], order: 5}/' "$policy_dir/deny.yaml"
start_daemon
expect "a load on rules of ours is not a first one" [ "$(grep -c 'before the first rules' "$work/daemon.log")" -eq 1 ]
