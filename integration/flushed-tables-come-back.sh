#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Whoever flushes, deletes or edits our tables finds them back at once, in both families; what others do with their own
# tables is nobody's business. How long the host was open is printed: by the denied packets, of some 2000 a second, that
# came in around each flush, and as the daemon measures it. (While own_tables is not set: else nobody could.)
# alone: it measures how long the tables were away.
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 8080 8081
cat >"$policy_dir/deny.yaml" <<'END'
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: host, labels: {role: host}}
spec: {node: host, interfaceName: if-client}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: only-8080}
spec:
  selector: role == 'host'
  ingress: [{action: Allow, protocol: TCP, destination: {ports: [8080]}}]
  egress: [{action: Allow}]
---
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: nothing}
spec: {selector: role == 'host', ingress: [{action: Deny}]}
END
start_daemon

status_of() { status_value "kernel.$1"; }
rules_of() { nft list table "$1" drywall 2>/dev/null | grep -v comment | sed 's/packets [0-9]* bytes [0-9]*//' | sha256sum; }
are_back() { [ "$(rules_of ip)" = "$whole4" ] && [ "$(rules_of ip6)" = "$whole6" ]; }
whole4=$(rules_of ip) whole6=$(rules_of ip6)

# heals NAME COMMAND...: after the command the tables are as before, and one more heal is told.
heals() {
  local what=$1 before
  shift
  before=$(status_of healed)
  "$@" || fail "$what: the command itself failed"
  eventually 2 are_back || fail "$what: the tables are not what they were"
  eventually 2 eval "[ \"\$(status_of healed)\" -eq $((before + 1)) ]" || fail "$what: healed $(status_of healed) times, not $((before + 1))"
  passed "$what is healed"
}

delete_first_rule() {
  local handle
  handle=$(nft -a list chain ip drywall enforced-input-host | sed -n 's/.*# handle \([0-9]*\)$/\1/p' | sed -n 2p)
  nft delete rule ip drywall enforced-input-host handle "$handle"
}
accept_all_at_once() { nft insert rule ip drywall enforced-input-host accept; }

heals "a flush of everything" nft flush ruleset
heals "a deleted table" nft delete table ip6 drywall
heals "a flushed chain" nft flush chain ip drywall enforced-input-host
heals "a deleted rule" delete_first_rule
heals "a rule put in front" accept_all_at_once
heals "a rule behind the last" nft add rule ip6 drywall enforced-input-host counter

before=$(status_of healed)
nft add table ip other
nft add chain ip other theirs '{ type filter hook input priority 5; }'
nft add rule ip other theirs counter
nft delete table ip other
sleep 0.3
[ "$(status_of healed)" -eq "$before" ] || fail "somebody else's table was taken for ours"
passed "somebody else's tables are not ours"

cat >"$work/knock.py" <<'END'
import socket, sys, time
knocker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    knocker.sendto(b"knock", (sys.argv[1], 8082))
    time.sleep(0.0005)
END
cat >"$work/flush.py" <<'END'
import socket, statistics, struct, subprocess, sys, time
door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
door.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS: by the kernel, as each came
door.bind(("0.0.0.0", 8082))
door.setblocking(False)

def came():
    """When the packets came that are there."""
    times = []
    while True:
        try:
            _, extra, _, _ = door.recvmsg(100, 100)
        except BlockingIOError:
            return times
        seconds, nanoseconds = struct.unpack("=qq", extra[0][2])
        times.append(seconds + nanoseconds / 1e9)

assert not came(), "the door is open before any flush"
open_for, through = [], 0
for _ in range(int(sys.argv[1])):
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    since = time.monotonic()
    while subprocess.run(["nft", "list", "chain", "ip", "drywall", "enforced-input-host"], capture_output=True).returncode:
        if time.monotonic() - since > 5:
            sys.exit("the tables did not come back")
    times = came()
    through += len(times)
    open_for.append((times[-1] - times[0]) * 1000 if times else 0)
    time.sleep(0.02)
    assert not came(), "the door is open after a flush was healed"
print(f"{statistics.median(open_for):.1f} {max(open_for):.1f} {through}")
END
in_namespace client python3 "$work/knock.py" "$(address host client)" &
knocker=$!
before=$(status_of healed)
times=$(python3 "$work/flush.py" 100) || fail "$times"
kill "$knocker"
read -r median longest through <<<"$times"
echo "measured: 100 flushes, open for a median of $median ms, at most $longest ms, for $through denied packets in all;" \
  "after the kernel's word at most $(status_of longest_open_us) us"
[ "$through" -gt 0 ] || fail "no packet came through during a hundred flushes: nothing was measured"
eventually 2 eval "[ \"\$(status_of healed)\" -eq $((before + 100)) ]" || fail "healed $(status_of healed) times, not $((before + 100))"
are_back || fail "the tables are not what they were after a hundred flushes"
passed "a hundred flushes are healed"
[ "$(status_of last_heal)" != null ] || fail "status does not say when it healed last"
[ "$(status_of last_open_us)" -gt 0 ] || fail "status does not say for how long nothing was in force"
[ "$(status_of longest_open_us)" -ge "$(status_of last_open_us)" ] || fail "the longest is not the longest"
grep -q 'nft (process [0-9]*) changed our tables: generation 1 was put back [0-9]* us after' "$work/daemon.log" ||
  fail "the journal does not say who it was"
passed "the journal says who it was, and how long it took"

in_both_families expect_arrives client host tcp 8080
in_both_families expect_denied client host tcp 8081
