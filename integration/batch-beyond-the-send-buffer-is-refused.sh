#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In a user namespace the daemon's send buffer cannot grow over net.core.wmem_max. A change that does not fit is refused
# before anything of it is sent: the generation before stays in force, and whoever asks learns what to set. What fits is
# still taken.
in_user_namespace=yes
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 8080 9090
start_daemon
given_host_endpoint server if-client
given deny.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-8080}
spec:
  selector: role == 'server'
  types: [Ingress]
  order: 2
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [8080]}}, {action: Allow}]
END
enemies() { # COUNT: policies with so many rules
  python3 -c '
import sys
for i in range(int(sys.argv[1])):
    if i % 1000 == 0:
        print("---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"
              f"metadata: {{name: enemies-{i // 1000}}}\n"
              "spec:\n  selector: has(role)\n  types: [Ingress]\n  order: 1\n  ingress:")
    source = f"198.18.{i // 256}.{i % 256}/32"
    print(f"  - {{action: Deny, protocol: UDP, source: {{nets: [{source}]}}}}")' "$1"
}
given enemies.yaml <<<"$(enemies 10)"
generation=$(status_value generation)
rules_of() { nft list table "$1" drywall | sed 's/packets [0-9]* bytes [0-9]*//' | sha256sum; }
before="$(rules_of ip) $(rules_of ip6)"
old_rules() { expect_denied client host tcp 8080 && expect_arrives client host tcp 9090; }
in_both_families old_rules

write_policy enemies.yaml <<<"$(enemies $(($(cat /proc/sys/net/core/wmem_max) / 500)))" # the kernel grants twice wmem_max
refused='cannot send the ruleset: .* needs a socket buffer of [0-9]* bytes and [0-9]* are allowed, twice net.core.wmem_max: .* at least [0-9]*'
status=0
drywall reload >"$work/out" 2>&1 || status=$?
expect "reload exits 5" test "$status" = 5
expect "reload names net.core.wmem_max, and how much it needs" grep -q "$refused" "$work/out"
status=0
drywall status >"$work/status" 2>"$work/mistakes" || status=$?
expect "status exits 1" test "$status" = 1
expect "status says that the directory is not in force" grep -q 'differs from what is in force since' "$work/status"
expect "status names net.core.wmem_max" grep -q "$refused" "$work/mistakes"
expect "the journal names net.core.wmem_max" grep -q "generation $generation stays in force: .*$refused" "$work/daemon.log"
expect "the generation is still the old one" test "$(status_value generation)" = "$generation"
expect "not a rule of it was changed, in either family" test "$before" = "$(rules_of ip) $(rules_of ip6)"
in_both_families old_rules

given enemies.yaml <<<"$(enemies 11)"
expect "a change that fits is taken" test "$(status_value generation)" -gt "$generation"
expect "all is well" test "$(status_value state)" = enforcing
