#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Interfaces are created, renamed and deleted while packets that policy denies come in by them: a host endpoint of all
# interfaces, and the prefix of workloads' interfaces, cover each from its first packet on. INTERFACES: DRYWALL_CHURN,
# default 60.
# alone: it counts what comes through in a time.
. "${0%/*}/lib.sh"

interfaces=${DRYWALL_CHURN:-60}
echo "workload_prefix: wl" >"$work/drywall.yaml"
given_host_endpoint all '*' ''
given deny.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-7001}
spec:
  selector: role == 'all'
  ingress: [{action: Deny, protocol: UDP, destination: {ports: [7001]}}, {action: Allow}]
  egress: [{action: Allow}]
END
start_daemon --config "$work/drywall.yaml"
ip netns add outside
ip -n outside link set lo up
python3 "$integration/steady.py" listen "$work/listening" "$work/knocked" &
listener=$!
eventually 10 test -e "$work/listening" || fail "nobody listens"

cat >"$work/churn.py" <<'END'
# COUNT: for each interface knocks on 7001 of the host by it from when it is set up until it carries packets (the kernel's
# linkwatch may take a second) and three times more, and so again after a change of its name; every third is named as a
# workload's. Prints `KNOCKS ECHOES` (of 7000, by those that are not workloads').
import os, socket, subprocess, sys, time

def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)

def knock(number):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"?", (f"10.88.{number}.1", 7001))

def carries():
    link = subprocess.run(["ip", "-o", "link", "show", "dev", "eth0"], check=True, capture_output=True, text=True)
    return "state UP" in link.stdout

def knock_until_carried(number):
    knocks, end = 0, time.monotonic() + 5
    while True:
        knock(number)
        knocks += 1
        if carries() or time.monotonic() > end:
            break
    for _ in range(3):
        knock(number)
    return knocks + 3

def echo(number):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(1)
        for _ in range(5):
            s.sendto(b"x", (f"10.88.{number}.1", 7000))
            try:
                return s.recv(8) == b"x"
            except OSError:
                pass
    return False

inside = os.open("/proc/self/ns/net", os.O_RDONLY)
outside = os.open("/run/netns/outside", os.O_RDONLY)
setns = __import__("ctypes").CDLL(None, use_errno=True).setns
knocks = echoes = 0
for i in range(int(sys.argv[1])):
    number, name = i % 250, ("wl" if i % 3 == 0 else "if-") + str(i)
    ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", "outside")
    ip("addr", "add", f"10.88.{number}.1/24", "dev", name)
    ip("-n", "outside", "addr", "add", f"10.88.{number}.2/24", "dev", "eth0")
    ip("-n", "outside", "link", "set", "eth0", "up")
    ip("link", "set", name, "up")
    setns(outside, 0)
    knocks += knock_until_carried(number)
    echoes += i % 3 != 0 and echo(number)
    setns(inside, 0)
    ip("link", "set", name, "down")
    ip("link", "set", name, "name", "x" + name)
    ip("link", "set", "x" + name, "up")
    setns(outside, 0)
    knocks += knock_until_carried(number)
    setns(inside, 0)
    ip("link", "del", "x" + name)
print(knocks, echoes)
END
churned=$(python3 "$work/churn.py" "$interfaces") || fail "the churn did not come to its end"
kill "$listener"
wait "$listener" || true
echo "measured: $interfaces interfaces: ${churned% *} knocks, ${churned#* } answers"
[ "$(cat "$work/knocked")" -eq 0 ] || fail "$(cat "$work/knocked") of ${churned% *} denied datagrams came through"
passed "no denied packet came through by an interface that came, was renamed and went"
[ "${churned#* }" -eq $((interfaces - (interfaces + 2) / 3)) ] || fail "only ${churned#* } allowed datagrams were answered"
passed "what is allowed came through by each"
eventually 5 eval '[ "$(status_value state)" = enforcing ]' || fail "the daemon lost its way"
passed "the daemon is well"
