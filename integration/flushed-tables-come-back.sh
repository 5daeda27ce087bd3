#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Whoever flushes, deletes or edits our tables finds them back at once, in both families; what others do with their own
# tables is nobody's business. How long the host was open is printed, from the end of the flush to the end of the first
# look that found the rules again.
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

cat >"$work/flush.py" <<'END'
import statistics, subprocess, sys, time
open_for = []
for _ in range(int(sys.argv[1])):
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    flushed = time.monotonic()
    while subprocess.run(["nft", "list", "chain", "ip", "drywall", "enforced-input-host"], capture_output=True).returncode:
        if time.monotonic() - flushed > 5:
            sys.exit("the tables did not come back")
    open_for.append((time.monotonic() - flushed) * 1000)
    time.sleep(0.02)
print(f"{statistics.median(open_for):.1f} {max(open_for):.1f}")
END
before=$(status_of healed)
times=$(python3 "$work/flush.py" 100) || fail "$times"
echo "measured: 100 flushes, back after a median of ${times% *} ms, at most ${times#* } ms (a look itself takes some of it)"
eventually 2 eval "[ \"\$(status_of healed)\" -eq $((before + 100)) ]" || fail "healed $(status_of healed) times, not $((before + 100))"
are_back || fail "the tables are not what they were after a hundred flushes"
passed "a hundred flushes are healed"
[ "$(status_of last_heal)" != null ] || fail "status does not say when it healed last"
grep -q 'nft (process [0-9]*) changed our tables: generation 1 was put back [0-9]* us after' "$work/daemon.log" ||
  fail "the journal does not say who it was"
passed "the journal says who it was, and how long it took"

in_both_families expect_arrives client host tcp 8080
in_both_families expect_denied client host tcp 8081
