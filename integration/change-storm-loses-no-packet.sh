#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Policies change a hundred times a second, first as files, then with a reload after each, while traffic goes on: no
# packet of an allowed connection is lost, none of a denied one comes through. SECONDS of each: DRYWALL_STORM, default 3.
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

cat >"$work/listen.py" <<'END'
# Echoes what comes to port 7000, counts what comes to port 7001; writes that number to the file when told to end.
import pathlib, select, signal, socket, sys
knocked = 0
def end(*_):
    pathlib.Path(sys.argv[2]).write_text(str(knocked))
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
sockets = {}
for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    for port in (7000, 7001):
        s = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind((any_address, port))
        sockets[s] = port
pathlib.Path(sys.argv[1]).touch()
while True:
    for s in select.select(list(sockets), [], [])[0]:
        data, peer = s.recvfrom(2048)
        if sockets[s] == 7001:
            knocked += 1
        else:
            s.sendto(data, peer)
END
cat >"$work/talk.py" <<'END'
# ADDRESS SECONDS: one connected flow and one new flow for each datagram to port 7000, all echoed or counted as missing;
# knocks on port 7001. Prints `SENT MISSING KNOCKS`.
import socket, sys, time
address, seconds = sys.argv[1], float(sys.argv[2])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
steady = socket.socket(family, socket.SOCK_DGRAM)
steady.settimeout(1)
steady.connect((address, 7000))
sent = missing = knocks = 0
until = time.monotonic() + seconds
while time.monotonic() < until:
    fresh = socket.socket(family, socket.SOCK_DGRAM)
    fresh.settimeout(1)
    fresh.connect((address, 7000))
    for s in (steady, fresh):
        sent += 1
        try:
            s.send(b"%d" % sent)
            if s.recv(64) != b"%d" % sent:
                missing += 1
        except (socket.timeout, ConnectionError):
            missing += 1
    fresh.close()
    knock = socket.socket(family, socket.SOCK_DGRAM)
    knock.sendto(b"?", (address, 7001))
    knock.close()
    knocks += 1
    time.sleep(0.001)
print(sent, missing, knocks)
END
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
  python3 "$work/listen.py" "$work/listening" "$work/knocked" &
  listener=$!
  eventually 10 test -e "$work/listening" || fail "nobody listens"
  before=$(status_value generation)
  in_namespace client python3 "$work/talk.py" "$(address host client)" "$seconds" >"$work/talked" &
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
