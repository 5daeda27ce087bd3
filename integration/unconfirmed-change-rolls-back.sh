#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What nobody confirms in time is rolled back, in the files and in the kernel: with drywalld alive, dead or started again,
# and whatever becomes of the program that asked for it.
. "$(dirname "$0")/lib.sh"

neighbour client 1
serve host tcp 8080
given_host_endpoint host "*"
write_policy web.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: no-8080}
spec:
  selector: role == 'host'
  types: [Ingress]
  ingress:
  - {action: Deny, protocol: TCP, destination: {ports: [8080]}}
  - action: Allow
END
cp "$policy_dir/web.yaml" "$work/web.yaml"
start_daemon

is_as_before() { cmp -s "$work/web.yaml" "$policy_dir/web.yaml"; }
is_denied_in_kernel() { grep -q 'GlobalNetworkPolicy no-8080 rule 0' <<<"$(nft list ruleset)" && grep -q '^kind: Global' "$policy_dir/web.yaml"; }
is_open() { attempt client host tcp 8080 0.3; }
waits() { [ "$(status_value confirm)" != null ]; }
promote() { drywall promote no-8080 --accept "$@" >"$work/out" 2>&1 || fail "promote $*: $(cat "$work/out")"; }
kill_daemon() {
  kill -KILL "$daemon_pid"
  wait "$daemon_pid" 2>/dev/null || true
}

# With the daemon alive.
promote --confirm 3s
expect "the change waits to be confirmed" waits
expect_denied client host tcp 8080
if drywall promote no-8080 --accept >/dev/null 2>&1; then fail "another edit should wait"; fi
passed "no other edit begins meanwhile"
if drywall confirm >"$work/out" 2>&1; then fail "there is no connection that proves anything"; fi
passed "without a new connection it is not confirmed: $(head -n 1 "$work/out")"
expect "the files are back by themselves" eventually 8 is_as_before
expect "the policy is back by itself" eventually 5 is_open
expect "nothing waits any more" test "$(status_value confirm)" = null
expect "it is told" grep -q 'was rolled back' "$work/daemon.log"
if drywall confirm >"$work/out" 2>&1; then fail "it is too late"; fi
passed "to confirm it then is too late"

# Extended, and confirmed.
promote --confirm 2s
drywall confirm --extend 30s >/dev/null || fail "it cannot be extended"
sleep 2.5
expect "an extended change stays" is_denied_in_kernel
drywall confirm --accept-old-session >/dev/null || fail "it is not confirmed"
expect "a confirmed change waits no more" test "$(status_value confirm)" = null
expect_denied client host tcp 8080
drywall rollback >/dev/null 2>&1 || fail "no way back"
expect_arrives client host tcp 8080

# Rolled back by hand, before its time.
promote --confirm 60s
drywall rollback >/dev/null 2>&1 || fail "no way back while it waits"
expect "rollback does not wait for the time" is_as_before
expect_arrives client host tcp 8080

# The daemon is killed.
promote --confirm 3s
expect_denied client host tcp 8080
kill_daemon
expect "without drywalld the files are back" eventually 10 is_as_before
expect "without drywalld the policy is back" eventually 10 is_open
start_daemon
expect_arrives client host tcp 8080

# The daemon is killed, and starts when the time is over, before anybody has written the files back.
promote --confirm 60s
kill_daemon
python3 - "$work/state/edit/record" <<'END'
import hashlib, json, sys
text = open(sys.argv[1], "rb").read()
head, rest = text[65:].split(b"\n", 1)
document = json.loads(head)
document["confirmation"]["boot"] = "another"
body = json.dumps(document).encode() + b"\n" + rest
open(sys.argv[1], "wb").write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
END
start_daemon
expect_arrives client host tcp 8080
expect "the next start says that it was rolled back" grep -q 'promote by .* was rolled back' "$work/daemon.log"
expect "the files follow" eventually 10 is_as_before

# Reload of what was edited by hand.
drywall recover >/dev/null || fail "recover"
kill_daemon
printf 'watch: false\n' >"$work/config.yaml"
start_daemon --config "$work/config.yaml"
sed -i 's/^kind: Staged/kind: /' "$policy_dir/web.yaml"
cp "$policy_dir/web.yaml" "$work/edited.yaml"
drywall reload --confirm 3s >"$work/out" 2>&1 || fail "reload --confirm: $(cat "$work/out")"
expect_denied client host tcp 8080
expect "a reload that nobody confirms is rolled back" eventually 8 is_as_before
expect "and so is the policy" eventually 5 is_open
