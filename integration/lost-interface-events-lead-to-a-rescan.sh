#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The queue of interface events overflows while the daemon is stopped, and then an address moves to another interface:
# that event is lost, and the endpoint follows its address all the same.
. "${0%/*}/lib.sh"

neighbour client 1
neighbour other 2
serve host tcp 8080
given by-address.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: by-address, labels: {role: host}}
spec: {node: host, expectedIPs: [10.88.0.1]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: nothing}
spec: {selector: role == 'host', types: [Ingress], ingress: []}
END
ip addr add 10.88.0.1/32 dev if-client
ip link add busy type veth peer name busy-peer
start_daemon
governs() { [[ $(status_value endpoints.0.interfaces) = "$1" ]]; }
expect "the endpoint is on the interface of its address" governs '["if-client"]'
in_both_families expect_denied client host tcp 8080
in_both_families expect_arrives other host tcp 8080

for number in $(seq 250); do
  echo "addr add 10.89.0.$number/32 dev busy"
  echo "addr del 10.89.0.$number/32 dev busy"
done >"$work/busy"
move() { # FROM TO
  local before
  before=$(netlink_lost "$netlink_route")
  kill -STOP "$daemon_pid"
  until_lost "$netlink_route" "$((before + 1))" ip -batch "$work/busy"
  ip addr del 10.88.0.1/32 dev "$1"
  ip addr add 10.88.0.1/32 dev "$2"
  kill -CONT "$daemon_pid"
  eventually 5 governs "[\"$2\"]" || fail "the endpoint did not follow its address: $(status_value endpoints)"
  passed "the endpoint follows its address from $1 to $2, with $(($(netlink_lost "$netlink_route") - before)) events lost"
}
move if-client if-other
in_both_families expect_denied other host tcp 8080
in_both_families expect_arrives client host tcp 8080
move if-other if-client
in_both_families expect_denied client host tcp 8080
in_both_families expect_arrives other host tcp 8080
