#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Beside a real firewalld: what both allow passes, what one of them denies does not; a staged policy is previewed although
# firewalld rejects later; a reload of the one leaves the other's rules as they were; `nft -f` of a file that begins with a
# flush leaves ours healed; doctor says who else can drop.
. "${0%/*}/lib.sh"
need firewalld firewalld

neighbour client 1
serve host tcp 8080 8081 9090
mkdir "$work/firewalld"
mount --bind "$work/firewalld" /etc/firewalld # its configuration is nobody's but this script's
start_bus

start_firewalld() {
  firewalld --nofork --nopid --log-target console >>"$work/firewalld.log" 2>&1 &
  firewalld_pid=$!
  eventually 20 firewall-cmd --state >"$work/out" 2>&1 || fail "firewalld did not start: $(cat "$work/firewalld.log")"
}
firewalld_does() { firewall-cmd "$@" >"$work/out" 2>&1 || fail "firewall-cmd $*: $(cat "$work/out" "$work/firewalld.log")"; }

start_firewalld
firewalld_does --permanent --add-port=8080/tcp
firewalld_does --permanent --add-port=8081/tcp
firewalld_does --reload
rejected() { ! attempt client host tcp "$1" 0.7 2>/dev/null; }
expect "firewalld rejects what it was not told of" rejected 9090
theirs=$(rules others)

start_daemon
given_host_endpoint server if-client
given policy.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: web}
spec:
  selector: role == 'server'
  types: [Ingress]
  ingress:
  - {action: Allow, protocol: TCP, destination: {ports: [8080, 9090]}}
  - {action: Deny, protocol: TCP, destination: {ports: [8081]}}
---
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: lockdown}
spec:
  order: 1
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [8080, 9090]}}]
END

both_have_their_say() {
  expect_arrives client host tcp 8080
  expect_denied client host tcp 8081
  expect "firewalld rejects what only Drywall allows (IPv$family)" rejected 9090
}
in_both_families both_have_their_say
expect_flow port=8080 pending=would-deny action=allow
expect_flow port=9090 pending=would-deny action=allow
expect "Drywall changed nothing of firewalld's" test "$(rules others)" = "$theirs"

expect_found drops-after "inet firewalld (firewalld)"
expect_found drops-after "at input by rules"
expect_found found-firewalld "its rules are in inet firewalld"
expect_found conntrack-on "connection tracking"
expect "doctor's exit code says that it found something" sh -c '! "$@" >/dev/null 2>&1' sh "$build/drywall" doctor --root "$doctor_root"

ours=$(rules ours)
healed=$(status_value kernel.healed)
firewalld_does --reload
expect "a reload of firewalld changes nothing of ours" test "$(rules ours)" = "$ours"
expect "nor had anything to be healed" test "$(status_value kernel.healed)" = "$healed"
in_both_families both_have_their_say

cat >"$work/nftables.conf" <<'END'
#!/usr/sbin/nft -f
flush ruleset
table inet filter {
  chain input { type filter hook input priority filter; policy accept; tcp dport 9999 drop; }
}
END
nft -f "$work/nftables.conf"
is_back() { [ "$(rules ours)" = "$ours" ] && [ "$(status_value kernel.healed)" -gt "$healed" ]; }
expect "after a flush by nft -f our rules are back" eventually 3 is_back
expect "the file's own rules stay" nft list chain inet filter input
expect_found healed "were put back"
expect_found drops-after "inet filter comes after"
nft delete table inet filter
kill "$firewalld_pid" # it does not notice the flush, and cannot reload after it
wait "$firewalld_pid" || true
start_firewalld
in_both_families both_have_their_say
expect "firewalld is as it was" test "$(rules others)" = "$theirs"
expect "and so are we" test "$(rules ours)" = "$ours"
