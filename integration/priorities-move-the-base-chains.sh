#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `priorities` in drywall.yaml moves the base chains of each stage, also of rules that are in force, and policy means the
# same there. What would put them on the wrong side of the kernel's own steps is refused with a message.
. "${0%/*}/lib.sh"

neighbour client 1
neighbour server 2
serve host tcp 8080 9090
serve host udp 5000
serve server tcp 8080 9090
config() { # PRIORITIES
  echo "priorities: {$1}" >"$work/drywall.yaml"
}
touch "$work/drywall.yaml"
start_daemon --config "$work/drywall.yaml"
given_host_endpoint uplink if-client
given_workload server prod
given policies.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: untracked}
spec:
  selector: role == 'uplink'
  applyOnForward: true
  doNotTrack: true
  types: [Ingress]
  ingress: [{action: Deny, protocol: UDP, destination: {ports: [5000]}}]
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: before-dnat}
spec:
  selector: role == 'uplink'
  applyOnForward: true
  preDNAT: true
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [80]}}]
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: normal}
spec:
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [9090]}}, {action: Allow}]
---
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: staged}
spec:
  order: 1
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [8080]}}, {action: Pass}]
END
nft -f - <<'END'
table inet services {
  chain prerouting {
    type nat hook prerouting priority dstnat
    tcp dport 80 redirect to :8080
    tcp dport 81 redirect to :8080
  }
}
END

# stage FIRST LAST: names of base chains of ours whose priorities lie there, each with its distance to FIRST.
stage() {
  nft -j list chains | python3 -c '
import json, sys
first, last = map(int, sys.argv[1:])
chains = [item["chain"] for item in json.load(sys.stdin)["nftables"] if "chain" in item]
ours = [c for c in chains if c["table"] == "drywall" and "prio" in c and first <= c["prio"] <= last]
print(*sorted((c["family"], c["name"], c["prio"] - first) for c in ours), sep="\n")' "$@"
}
stages() { # RAW MANGLE FILTER: what each stage has behind that priority
  for first in "$@"; do
    echo "-- $(stage "$first" $((first + 20)))"
  done
}
base_chains() { nft -j list chains | grep -o '"prio"' | wc -l; }
expected=$(stages -296 -152 -28)
number=$(base_chains)
expect "each stage has chains in both families" test "$(grep -c "ip6" <<<"$expected")" -ge 8

policy_holds() {
  expect_denied client host udp 5000
  expect_denied client host tcp 80
  expect_arrives client host tcp 81
  expect_arrives client host tcp 8080
  expect_denied client host tcp 9090
  expect_arrives client server tcp 8080
  expect_denied client server tcp 9090
}
in_both_families policy_holds

moved_to() { # RAW MANGLE FILTER
  config "raw: $1, mangle: $2, filter: $3"
  reload
  expect "all base chains have moved to $*" test "$(stages "$@")" = "$expected"
  expect "and none is left behind" test "$(base_chains)" = "$number"
}
moved_to -399 -199 -99
in_both_families policy_holds
moved_to -203 -103 80
began=$(date -u +%FT%T.%3NZ)
in_both_families policy_holds
expect_flow since="$began" reporter=dst action=allow pending=would-deny destination=server port=8080 \
  staged="StagedGlobalNetworkPolicy staged 0 deny"
expect_flow since="$began" bucket=preDNAT action=deny port=80 enforced="GlobalNetworkPolicy before-dnat 0 deny"
expect_flow since="$began" bucket=untracked action=deny port=5000 enforced="GlobalNetworkPolicy untracked 0 deny"
moved_to -296 -152 -28

refused() { # PRIORITIES MESSAGE
  config "$1"
  expect "priorities $1 are refused" sh -c '! "$1" reload >"$2" 2>&1' sh "$build/drywall" "$work/refused"
  expect "because: $2" grep -qF "$2" "$work/refused"
  expect "and where" grep -qE 'drywall\.yaml:1:[0-9]+: error' "$work/refused"
  expect "what was in force is" test "$(stages -296 -152 -28)" = "$expected"
}
refused "raw: -400" '"-400" is not a number from -399 to -203'
refused "raw: -202" '"-202" is not a number from -399 to -203'
refused "mangle: -200" '"-200" is not a number from -199 to -103'
refused "mangle: -102" '"-102" is not a number from -199 to -103'
refused "filter: -100" '"-100" is not a number from -99 to 80'
refused "filter: 81" '"81" is not a number from -99 to 80'
refused "filter: early" '"early" is not a number from -99 to 80'
refused "nat: -100" 'unknown key "nat"'
expect "status says so" sh -c '"$1" status 2>&1 | grep -q "unknown key"' sh "$build/drywall"
in_both_families policy_holds
