#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Port unreachable and packet too big come back to whoever sends an untracked flow, through the host or from it,
# although connection tracking cannot tell whose they are and all other policy denies them.
. "${0%/*}/lib.sh"

neighbour client 1
neighbour router 2

# Beyond the router is a host that only smaller packets reach.
small=1300
ip netns add far
in_namespace router sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
in_namespace far sh -c 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad'
ip -n router link add if-far mtu "$small" type veth peer name eth0 netns far
ip -n router addr add 10.78.0.1/24 dev if-far
ip -n router addr add fd78::1/64 dev if-far nodad
ip -n router link set if-far up
ip -n far addr add 10.78.0.2/24 dev eth0
ip -n far addr add fd78::2/64 dev eth0 nodad
ip -n far link set eth0 mtu "$small" up
ip -n far route add default via 10.78.0.1
ip -n far -6 route add default via fd78::1
ip route add 10.78.0.0/24 via 10.77.2.2
ip -6 route add fd78::/64 via fd77:2::2
far() { if [ "$family" = 4 ]; then echo 10.78.0.2; else echo fd78::2; fi; }

start_daemon
given_host_endpoint client if-client ""
given_host_endpoint uplink if-router ""
given untracked.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: untracked-udp}
spec:
  selector: has(role)
  applyOnForward: true
  doNotTrack: true
  types: [Ingress, Egress]
  ingress: [{action: Allow, protocol: UDP}]
  egress: [{action: Allow, protocol: UDP}]
---
# Untracked policy spares what comes in, and what the host sends; what is forwarded meets the other endpoint's policy.
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-all-but-forwarded-udp}
spec:
  selector: has(role)
  applyOnForward: true
  types: [Ingress, Egress]
  ingress: [{action: Deny}]
  egress:
  - {action: Allow, protocol: UDP, source: {nets: [10.77.1.2/32, 10.78.0.2/32]}}
  - {action: Allow, protocol: UDP, source: {nets: ["fd77:1::2/128", "fd78::2/128"]}}
  - {action: Deny}
END

expect_error() { # WHAT FROM ADDRESS PORT BYTES
  local got
  got=$(in_namespace "$2" python3 "$integration/traffic.py" error "$3" "$4" "$5" 2) ||
    fail "no error comes back to $2 from $3"
  [ "$got" = "$1" ] || fail "to $2 comes back \"$got\" instead of \"$1\""
  passed "$1 comes back to $2 from $3 port $4"
}
no_connections() { ! python3 -B "$integration/connections.py" protocol=udp >"$work/connections"; }

serve far udp 7000
serve host tcp 8080
errors() {
  # The flow itself passes, untracked.
  attempt_far() { in_namespace "$1" python3 "$integration/traffic.py" connect udp "$(far)" 7000 2; }
  expect "client reaches far (IPv$family)" attempt_far client
  expect "the host reaches far (IPv$family)" attempt_far host
  expect_denied client host tcp 8080

  expect_error unreachable client "$(address host client)" 9 10 # made by the host itself
  expect_error unreachable client "$(far)" 9 10                 # forwarded by it
  expect_error unreachable host "$(far)" 9 10                   # for it
  # Now each learns that it must send less: the next datagram would not leave.
  expect_error "too-big $small" client "$(far)" 7000 1400
  expect_error "too-big $small" host "$(far)" 7000 1400
  expect "nothing of it is tracked" no_connections
}
in_both_families errors
