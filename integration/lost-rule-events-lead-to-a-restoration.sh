#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The queue of nf_tables events overflows while the daemon is stopped, with what others do to a table of their own; then
# somebody edits ours. Those events are lost, and our tables are put back all the same.
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
  ingress:
  - {action: Deny, source: {nets: [192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24]}}
  - {action: Allow, protocol: TCP, destination: {ports: [8080]}}
  egress: [{action: Allow}]
END
start_daemon
expect "the daemon enforces" test "$(status_value state)" = enforcing

rules_of() { nft list table "$1" drywall 2>/dev/null | grep -v comment | sed 's/packets [0-9]* bytes [0-9]*//' | sha256sum; }
are_back() { [ "$(rules_of ip)" = "$whole4" ] && [ "$(rules_of ip6)" = "$whole6" ]; }
whole4=$(rules_of ip) whole6=$(rules_of ip6)
only_8080() { expect_arrives client host tcp 8080 && expect_denied client host tcp 8081; }
in_both_families only_8080

python3 -c '
elements = ", ".join(f"10.{i >> 8}.{i & 255}.1" for i in range(1000))
print("add element ip others many {", elements, "}\nflush set ip others many")' >"$work/busy"
others() {
  nft add table ip others
  nft add set ip others many '{ type ipv4_addr; }'
}
others

open_by_replacing_a_rule() { # as many rules as before
  local handle
  handle=$(nft -a list chain ip drywall enforced-input-host | sed -n 's/.*# handle \([0-9]*\)$/\1/p' | sed -n 2p)
  nft replace rule ip drywall enforced-input-host handle "$handle" accept
}
empty_a_set() {
  local set
  set=$(nft list table ip drywall | awk '/^\tset / { name = $2 } /192\.0\.2\.0/ { print name; exit }')
  nft flush set ip drywall "$set"
}
flush_all() { nft flush ruleset && others; }

# unseen WHAT COMMAND...: of which no event arrives.
unseen() {
  local what=$1 before
  shift
  before=$(netlink_lost "$netlink_netfilter")
  kill -STOP "$daemon_pid"
  until_lost "$netlink_netfilter" "$((before + 1))" nft -f "$work/busy"
  "$@" || fail "$what: the command itself failed"
  if are_back; then fail "$what changes nothing"; fi
  kill -CONT "$daemon_pid"
  eventually 5 are_back || fail "$what: the tables are not what they were"
  passed "$what is made good, with $(($(netlink_lost "$netlink_netfilter") - before)) events lost"
}
unseen "a rule put in another's place" open_by_replacing_a_rule
unseen "an emptied set" empty_a_set
unseen "a flush of everything" flush_all
expect "the journal says why" grep -q 'events of nf_tables were lost, .*: generation 1 was put back' "$work/daemon.log"
in_both_families only_8080

# It goes on noticing.
before=$(status_value kernel.healed)
nft delete table ip6 drywall
eventually 2 are_back || fail "after the overflow a deleted table is not put back"
expect "that is told as another" eventually 2 eval '[ "$(status_value kernel.healed)" -gt "$before" ]'
