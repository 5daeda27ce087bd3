#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Policies change a hundred times a second, first as files, then with a reload after each, while traffic goes on: no
# packet of an allowed connection is lost, none of a denied one comes through. SECONDS of each: DRYWALL_STORM, default 3.
# alone: it counts what comes through in a time.
. "${0%/*}/lib.sh"

seconds=${DRYWALL_STORM:-3}
neighbour client 1
given_host_endpoint server if-client ''
given steady.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: steady}
spec:
  selector: role == 'server'
  order: 10
  ingress: [{action: Allow, protocol: UDP, destination: {ports: [7000]}}, {action: Deny, protocol: UDP, destination: {ports: [7001]}}]
  egress: [{action: Allow}]
END
start_daemon

cat >"$work/storm.py" <<'END'
# DIRECTORY SECONDS [COMMAND...]: a hundred times a second another policy, by rename; after each the command, if any.
import os, subprocess, sys, time
directory, seconds, command = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
begin, changes = time.monotonic(), 0
while time.monotonic() - begin < seconds:
    ports = ", ".join(str(8000 + (changes * 7 + i) % 500) for i in range(8))
    text = f"""apiVersion: projectcalico.org/v3
kind: {"StagedGlobalNetworkPolicy" if changes % 3 == 0 else "GlobalNetworkPolicy"}
metadata: {{name: restless}}
spec:
  selector: role == 'server'
  order: {changes % 20}
  ingress: [{{action: {"Deny" if changes % 2 else "Allow"}, protocol: UDP, destination: {{ports: [{ports}]}}}}]
"""
    with open(os.path.join(directory, ".new"), "w") as f:
        f.write(text)
    os.rename(os.path.join(directory, ".new"), os.path.join(directory, "restless.yaml"))
    changes += 1
    if command:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(max(0, begin + changes / 100 - time.monotonic()))
print(changes)
END

# storm WHAT FAMILY [COMMAND...]
storm() {
  local what=$1 before sent missing knocks knocked listener talker changes generations
  family=$2
  shift 2
  rm -f "$work/listening" "$work/knocked"
  python3 "$integration/steady.py" listen "$work/listening" "$work/knocked" &
  listener=$!
  eventually 10 test -e "$work/listening" || fail "nobody listens"
  before=$(status_value generation)
  in_namespace client python3 "$integration/steady.py" talk "$(address host client)" "$seconds" >"$work/talked" &
  talker=$!
  changes=$(python3 "$work/storm.py" "$policy_dir" "$seconds" "$@")
  wait "$talker" || fail "the client did not come to its end"
  kill "$listener"
  wait "$listener" || true
  read -r sent missing knocks <"$work/talked"
  knocked=$(cat "$work/knocked")
  eventually 5 eval '[ "$(status_value state)" = enforcing ]' || fail "the last change is not in force"
  generations=$(($(status_value generation) - before))
  echo "measured: $what (IPv$family): $changes changes, $generations generations in $seconds s; $sent datagrams, $knocks knocks"
  [ "$missing" -eq 0 ] || fail "$missing of $sent allowed datagrams were lost"
  [ "$knocked" -eq 0 ] || fail "$knocked of $knocks denied datagrams came through"
  [ "$sent" -ge $((100 * seconds)) ] && [ "$knocks" -ge $((50 * seconds)) ] || fail "too little traffic to tell: $sent, $knocks"
  [ "$generations" -ge $((seconds - 1)) ] || fail "only $generations generations in $seconds s"
  passed "$what: no allowed packet lost, no denied one through"
}

storm "files that change" 4
storm "files that change" 6
storm "files that change and a reload after each" 4 "$build/drywall" reload
storm "files that change and a reload after each" 6 "$build/drywall" reload
[ "$(status_value kernel.healed)" = 0 ] || fail "our own changes were taken for somebody else's"
passed "our own changes are our own"
