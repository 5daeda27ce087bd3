#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the kernel logged while no daemon listened is told by the next one: `unheard` in `drywall status`. It is exact if
# the daemon ended in order; if it was killed, what it heard in its last seconds may be counted too, never less.
. "${0%/*}/lib.sh"

packets=500
neighbour client 1
start_daemon
given_host_endpoint server if-client
given policies.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: closed}
spec:
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny, protocol: UDP}, {action: Allow}]
---
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: closed-too}
spec:
  order: 1
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny, protocol: UDP}]
END
gateway=$(ip -j link show dev if-client | json_value 0.address)
send() { # of one flow; each is a hit in both worlds
  in_namespace client python3 -B "$integration/flood.py" "$gateway" 10.77.1.2 10.77.1.1 7000 "$packets" >/dev/null
}
evidence() { drywall status -o json 2>/dev/null | json_value "evidence.$1"; }
at_least() { [ "$(evidence "$1")" -ge "$2" ]; }
stop_daemon() { # SIGNAL
  kill "-$1" "$daemon_pid"
  wait "$daemon_pid" 2>/dev/null || true
}

# unheard_rises HITS MOST: since the last time, by at least HITS and less than MOST.
unheard_before=0
unheard_rises() {
  expect "at least $1 more are unheard" eventually 10 at_least unheard "$((unheard_before + $1))"
  sleep 2.2 # two readings of the kernel's counters
  expect "and less than $2" test "$(evidence unheard)" -lt "$((unheard_before + $2))"
  unheard_before=$(evidence unheard)
}
hits=$((2 * packets))

send
expect "what is sent now is heard" eventually 10 at_least messages "$hits"
sleep 3.5
expect "nothing is unheard" test "$(evidence unheard)" = 0

echo "-- the daemon ends in order"
stop_daemon TERM
send
start_daemon
unheard_rises "$hits" "$((hits + 1))"
expect "status says so to people too" sh -c '"$1" status 2>&1 | grep -q "$2 hits that the kernel logged while nobody"' \
  sh "$build/drywall" "$hits"

echo "-- the daemon is killed after a while of quiet"
send
sleep 17
stop_daemon KILL
send
start_daemon
unheard_rises "$hits" "$((hits + 1))"

echo "-- the daemon is killed, while somebody asks for its status all the time"
send
for _ in $(seq 18); do
  evidence unheard >/dev/null
  sleep 1
done
stop_daemon KILL
send
start_daemon
unheard_rises "$hits" "$((2 * hits))"

echo "-- the first daemon with these rules is killed soon after its start"
sed -i 's/closed-too/closed-again/' "$policy_dir/policies.yaml"
reload
unheard_before=$(evidence unheard)
send
stop_daemon KILL
send
start_daemon
unheard_before=0 # of the rules before nobody knows any more
unheard_rises "$hits" "$((2 * hits + 1))"
