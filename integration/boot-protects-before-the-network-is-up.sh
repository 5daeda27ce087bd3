#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What was in force before a reboot is in force again before any interface is there: without a bus, the policy directory
# or its configuration. The daemon that starts later changes nothing. Saved state that is damaged, or that a newer program
# wrote, is refused whole, with the command that gives it up.
. "${0%/*}/lib.sh"

write_policies() {
  given_host_endpoint server if-client ''
  given boot.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: boot}
spec:
  selector: role == 'server'
  ingress: [{action: Allow, protocol: TCP, destination: {ports: [8080]}}]
  egress: [{action: Allow}]
---
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: closed}
spec: {selector: role == 'server', order: 1, ingress: [{action: Deny}]}
END
}
at_boot() { env -u DBUS_SYSTEM_BUS_ADDRESS "$build/drywalld" --boot --state-dir "$work/state" --policy-dir /nowhere; }
reboot_kernel() { nft delete table ip drywall && nft delete table ip6 drywall; }
handles() { nft -a -s list ruleset | sha256sum; }
# expect_refused WHY: --boot fails with these words and the command, and the kernel holds nothing.
expect_refused() {
  at_boot 2>"$work/refused" && fail "--boot took saved state: $1"
  grep -qF "$1" "$work/refused" || fail "not \"$1\": $(cat "$work/refused")"
  grep -qF "rm -r $work/state/last-good && systemctl restart drywalld" "$work/refused" || fail "no command: $(cat "$work/refused")"
  [ -z "$(nft list ruleset)" ] || fail "something was loaded: $1"
  passed "refused: $1"
}

neighbour client 1
write_policies
start_daemon
rules=$(nft -s list ruleset)
kill -TERM "$daemon_pid"
wait "$daemon_pid" || fail "the daemon did not end well"
reboot_kernel
ip link delete if-client
ip netns delete client
mv "$policy_dir" "$policy_dir.away"

before=$(date +%s%N)
at_boot || fail "nothing was loaded at boot"
echo "measured: loaded at boot in $((($(date +%s%N) - before) / 1000000)) ms"
[ "$(nft -s list ruleset)" = "$rules" ] || fail "the rules are others than the daemon's: $(diff <(echo "$rules") <(nft -s list ruleset))"
passed "the rules after the boot are the daemon's"

neighbour client 1
serve host tcp 8080 8081
in_both_families expect_arrives client host tcp 8080
in_both_families expect_denied client host tcp 8081

loaded=$(handles)
at_boot || fail "a second load at boot fails"
[ "$(handles)" = "$loaded" ] || fail "a second load at boot changed the rules"
mv "$policy_dir.away" "$policy_dir"
start_daemon
[ "$(handles)" = "$loaded" ] || fail "the daemon changed the rules that were loaded at boot"
[ "$(status_value kernel.in_sync)" = true ] || fail "the daemon does not know the rules"
passed "the daemon takes over without touching a rule"
kill -TERM "$daemon_pid"
wait "$daemon_pid" || fail "the daemon did not end well"
reboot_kernel

cp -a "$work/state" "$work/state.good"
printf x | dd of="$work/state/last-good/ruleset.batch" bs=1 seek=1000 conv=notrunc status=none
expect_refused "ruleset.batch: it is not what was saved"
rm -r "$work/state" && cp -a "$work/state.good" "$work/state"
sed -i 's/"format": 2/"format": 9/' "$work/state/last-good/manifest.json"
expect_refused "a newer Drywall wrote it (format 9, this one knows 2): install that again"
