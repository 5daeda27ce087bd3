#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the kernel refuses is reported at the line of the policy that needs it; the generation before stays in force and
# whole, in both families, until it can be replaced. The kernel takes 1024 chains at a hook, and others have them all.
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 8080 8081 9090
start_daemon
given_host_endpoint server if-client
given deny.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-8080}
spec:
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [8080]}}, {action: Allow}]
END
generation=$(status_value generation)
rules_of() { nft list table "$1" drywall | sed 's/packets [0-9]* bytes [0-9]*//' | sha256sum; }
before="$(rules_of ip) $(rules_of ip6)"
old_rules() { expect_denied client host tcp 8080 && expect_arrives client host tcp 9090; }
in_both_families old_rules

fill_hook() { # FAMILY
  nft add table "$1" others
  seq 1000 | sed "s/.*/add chain $1 others at-& { type filter hook prerouting priority & ; }/" | nft -f -
  local more
  for more in $(seq 1001 1024); do
    nft add chain "$1" others "at-$more" "{ type filter hook prerouting priority $more ; }" 2>/dev/null || return 0
  done
  fail "the hook is not full"
}
fill_hook ip6

cat >"$work/early.yaml" <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: early}
spec:
  selector: role == 'server'
  preDNAT: true
  applyOnForward: true
  ingress:
  - action: Deny
    protocol: TCP
    destination: {ports: [9090]}
END
write_policy early.yaml <"$work/early.yaml"
refused="early.yaml:9:.*the kernel refused this: cannot apply chain ip6 drywall .*: Argument list too long"
status=0
drywall reload >"$work/out" 2>&1 || status=$?
expect "reload exits 5" test "$status" = 5
expect "reload names the line of the policy" grep -q "$refused" "$work/out"
status=0
drywall status >"$work/status" 2>"$work/mistakes" || status=$?
expect "status exits 1" test "$status" = 1
expect "status says that the directory is not in force" grep -q 'differs from what is in force since' "$work/status"
expect "status names the line of the policy" grep -q "$refused" "$work/mistakes"
expect "the journal names the line of the policy" grep -q "the kernel refused it; generation $generation stays in force: .*$refused" "$work/daemon.log"
expect "the generation is still the old one" test "$(status_value generation)" = "$generation"
expect "the kernel holds it" test "$(status_value kernel.in_sync)" = true
expect "not a rule of it was changed, in either family" test "$before" = "$(rules_of ip) $(rules_of ip6)"
in_both_families old_rules

# What the kernel does take is taken meanwhile, and all when there is room.
rm "$policy_dir/early.yaml"
given deny.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-8081}
spec:
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [8081]}}, {action: Allow}]
END
other_rules() { expect_denied client host tcp 8081 && expect_arrives client host tcp 8080; }
in_both_families other_rules
expect "all is well" test "$(status_value state)" = enforcing
nft delete table ip6 others
given early.yaml <"$work/early.yaml"
in_both_families expect_denied client host tcp 9090
