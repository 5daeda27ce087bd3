#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A flood of denied packets makes a bounded number of log messages, in both worlds: of one flow, and of more flows than
# are remembered. What was not logged is counted, to the last packet. Another denied flow is still seen in the middle of
# it, and the daemon's time and memory stay small.
# alone: it needs both processors, and measures their time.
. "${0%/*}/lib.sh"

packets=300000
neighbour attacker 1
neighbour other 2
start_daemon
given_host_endpoint attacked if-attacker
given_host_endpoint quiet if-other
given policies.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: closed}
spec:
  selector: has(role)
  types: [Ingress]
  ingress:
  - {action: Deny, protocol: UDP, destination: {ports: [7000]}}
  - {action: Deny, protocol: UDP, destination: {ports: [7001]}}
  - {action: Allow}
---
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: closed-too}
spec:
  order: 1
  selector: has(role)
  types: [Ingress]
  ingress:
  - {action: Deny, protocol: UDP, destination: {ports: [7000]}}
  - {action: Pass}
END
gateway=$(ip -j link show dev if-attacker | json_value 0.address)

evidence() { drywall status -o json | json_value "evidence.$1"; }
cpu_ticks() { # of the daemon; 100 a second
  local stat
  read -r -a stat <"/proc/$daemon_pid/stat"
  echo $((stat[13] + stat[14]))
}
hits() { # of both policies' rules about port 7000, in both worlds
  drywall policies -o json 2>/dev/null | python3 -c '
import json, sys
print(sum(p["rules"][0]["packets"] for p in json.load(sys.stdin)))'
}
all_counted() { # HITS
  [ "$(($(evidence messages) + $(evidence lost) + $(evidence limited) + $(evidence full) - before))" -ge "$1" ]
}

# flood WHAT SOURCE [--random]: of the host's port 7000. In the middle of it somebody else is denied on port $other_port.
flood() {
  local what=$1 source=$2 messages limited full ticks began seconds flooding logged most
  shift 2
  messages=$(evidence messages) limited=$(evidence limited) full=$(evidence full)
  before=$((messages + $(evidence lost) + limited + full - $(hits)))
  ticks=$(cpu_ticks)
  in_namespace attacker python3 -B "$integration/flood.py" "$gateway" "$source" "$(address host attacker)" 7000 "$packets" \
    "$@" >"$work/seconds" &
  flooding=$!
  eventually 60 more_messages_than "$((messages + 1000))" || fail "the flood does not begin"
  began=$(date -u +%FT%T.%3NZ)
  for _ in 1 2 3; do attempt other host udp "$other_port" 0.05 || true; done
  expect_flow since="$began" reporter=dst action=deny source="$(address other)" port="$other_port" protocol=udp
  expect "that was seen while the flood went on" kill -0 "$flooding"
  wait "$flooding"
  seconds=$(cat "$work/seconds")
  expect "no packet of $what (IPv$family) is missing: logged, lost, limited or full" eventually 20 all_counted "$(hits)"
  logged=$(($(evidence messages) - messages))
  echo "measured: $what, IPv$family: $packets packets in $seconds s, $logged messages of $((2 * packets)), limited" \
    "$(($(evidence limited) - limited)), full $(($(evidence full) - full)), lost $(evidence lost); daemon" \
    "$(($(cpu_ticks) - ticks))0 ms of processor time, $(sed -n 's/VmRSS:\s*//p' "/proc/$daemon_pid/status")"
  # Each of the two rules: its burst and rate, then each flow's own (render/lower.h, LogLimits).
  most=$(python3 -c "
import sys
seconds = $seconds + 1
flows = 65535 * (1 + seconds / 10) if '--random' in sys.argv else 5 + seconds
print(int(2 * (20000 + 10000 * seconds + flows)))" "$@")
  expect "at most $most messages" test "$logged" -le "$most"
  expect "far fewer messages than hits" test "$logged" -lt "$((2 * packets * 9 / 10))"
  expect "the daemon needs less than 20 s of processor time" test "$(($(cpu_ticks) - ticks))" -lt 2000
}
more_messages_than() { [ "$(evidence messages)" -gt "$1" ]; }

one_flow() {
  local limited
  limited=$(evidence limited)
  other_port=7000 flood "one flow" "$(address attacker)" # the other is denied by the same rule
  expect "what was over the flow's rate is told" test "$(($(evidence limited) - limited))" -gt "$((packets / 10))"
}
in_both_families one_flow
random_sources() {
  local full source=10.0.0.0
  [ "$family" = 4 ] || source=fd00:5::
  full=$(evidence full)
  other_port=7001 flood "random sources" "$source" --random
  expect "what came when too many flows were known is told" test "$(($(evidence full) - full))" -gt "$((packets / 10))"
}
in_both_families random_sources
expect "the daemon's memory is bounded" test "$(sed -n 's/VmHWM:\s*\([0-9]*\).*/\1/p' "/proc/$daemon_pid/status")" -lt 1000000
expect_flow action=deny pending=would-deny port=7000 packets=1000+ enforced="GlobalNetworkPolicy closed 0 deny" \
  staged="StagedGlobalNetworkPolicy closed-too 0 deny"
