#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A host endpoint that denies everything, without failsafe ports, still lives on its link: neighbours and routers are
# found, multicast groups reported, addresses leased, path MTUs learned; itself, and the answers it gets, are reached.
# Set by default-deny-wildcard-host-keeps-working.sh and default-deny-untracked-host-keeps-working.sh:
governed=${governed-if-peer} # interface of the host endpoint
bucket=${bucket-normal}      # of the policies
. "${0%/*}/lib.sh"

# host if-peer (1500) - eth0 peer if-far (1280) - eth0 far (1500): peer must tell senders of the narrow link.
neighbour peer 1
ip netns add far
ip -n peer link add if-far mtu 1280 type veth peer name eth0 netns far
in_namespace peer sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
ip -n peer addr add 10.77.9.1/24 dev if-far
ip -n peer addr add fd77:9::1/64 dev if-far nodad
ip -n peer link set if-far up
for last in 2 3; do
  ip -n far addr add "10.77.9.$last/24" dev eth0
  ip -n far addr add "fd77:9::$last/64" dev eth0 nodad
done
ip -n far link set lo up
ip -n far link set eth0 up
ip -n far route add default via 10.77.9.1
ip -n far -6 route add default via fd77:9::1
ip route add 10.77.9.0/24 via 10.77.1.2
ip -6 route add fd77:9::/64 via fd77:1::2

serve host tcp 8002 9000
serve host udp 8002 9000
serve peer tcp 8001 9000
serve peer udp 8001 9000

cat >"$work/drywall.yaml" <<END
failsafe_inbound: none
failsafe_outbound: none
END
start_daemon --config "$work/drywall.yaml"
given_host_endpoint server "$governed" ""
of_bucket() { # LINE...: these lines of a policy's spec, if the policies are untracked
  [ "$bucket" = normal ] || printf '  %s\n' "$@"
}
given deny-all.yaml <<END
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-all}
spec:
  selector: role == 'server'
  types: [Ingress, Egress]
  ingress: [{action: Deny}]
  egress: [{action: Deny}]
$(of_bucket "doNotTrack: true" "applyOnForward: true")
END

link() { python3 "$integration/link.py" "$@"; }
dhcp() { python3 "$integration/dhcp.py" "$@"; }
transfer() { python3 "$integration/transfer.py" "$@"; }
link_at_peer() { in_namespace peer python3 "$integration/link.py" "$@"; }
dhcp_at_peer() { in_namespace peer python3 "$integration/dhcp.py" "$@"; }
from_host() { python3 "$integration/traffic.py" connect "$@"; } # PROTOCOL ADDRESS PORT SECONDS
not() { ! "$@"; }
of_family() { if [ "$family" = 4 ]; then echo "$1"; else echo "$2"; fi; }
until_ready() { eventually 5 test -e "$1" || fail "$1 is not there"; }

# --- what is denied -----------------------------------------------------------------------------------------------------

denied_from_host() { # PROTOCOL ADDRESS PORT
  local status=0
  from_host "$1" "$2" "$3" 0.5 2>/dev/null || status=$?
  [ "$status" = 1 ] || { [ "$1" = udp ] && [ "$status" = 2 ]; } # the sender of a datagram is told that it was dropped
}
strangers() {
  for protocol in tcp udp; do
    expect_denied peer host "$protocol" 9000
    expect "the host does not reach peer on $protocol 9000 (IPv$family)" denied_from_host "$protocol" "$(address peer)" 9000
  done
  expect "peer's ping gets no answer (IPv$family)" not link_at_peer ping "$(address host peer)" 0.5
  expect "the host's ping gets no answer (IPv$family)" not link ping "$(address peer)" 0.5
}

# --- neighbours ---------------------------------------------------------------------------------------------------------

hardware() { ip -n "$1" -br link show "$2" | awk '{print $3}'; }
host_hardware=$(ip -br link show if-peer | awk '{print $3}')
peer_hardware=$(ip -n peer -br link show eth0 | awk '{print $3}')

forget_neighbours() {
  ip "-$family" neigh flush dev if-peer
  ip -n peer "-$family" neigh flush dev eth0
  [ -z "$(ip "-$family" neigh show "$(address peer)" dev if-peer)" ] || fail "the host remembers peer"
}
host_knows_peer() { ip neigh show "$(address peer)" dev if-peer | grep -q "lladdr $peer_hardware"; }
peer_knows_host() { ip -n peer neigh show "$(address host peer)" dev eth0 | grep -q "lladdr $host_hardware"; }

# Nothing that could be answered is sent but the questions themselves: what asks is a packet that the other end drops.
peer_finds_the_host() {
  forget_neighbours
  expect_denied peer host tcp 9000
  expect "peer has found the host (IPv$family)" peer_knows_host
}
# A neighbour is asked for only when a packet may leave for it.
host_finds_peer() {
  forget_neighbours
  expect "the host reaches peer on tcp 8001 (IPv$family)" from_host tcp "$(address peer)" 8001 3
  expect "the host has found peer (IPv$family)" host_knows_peer
}

address_is() { # NAMESPACE INTERFACE ADDRESS WORD
  in_namespace "$1" ip -6 addr show dev "$2" to "$3" | grep -q "$4"
}
duplicate_addresses() {
  sysctl_write net.ipv6.conf.if-peer.accept_dad 1
  in_namespace peer sh -c 'echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_dad'
  ip addr add fd77:1::99/64 dev if-peer
  ip addr add fd77:1::2/64 dev if-peer
  ip -n peer addr add fd77:1::1/64 dev eth0
  expect "the host learns that peer has this address" eventually 5 address_is host if-peer fd77:1::2 dadfailed
  expect "peer learns that the host has this address" eventually 5 address_is peer eth0 fd77:1::1 dadfailed
  unique() { address_is host if-peer fd77:1::99 "scope global *$"; }
  expect "an address that nobody has is the host's" eventually 5 unique
  ip addr del fd77:1::2/64 dev if-peer
  ip addr del fd77:1::99/64 dev if-peer
  ip -n peer addr del fd77:1::1/64 dev eth0
}

# --- routers ------------------------------------------------------------------------------------------------------------

configured_from() { # PREFIX
  ip -6 addr show dev if-peer dynamic | grep -q "inet6 $1" && ip -6 route show default dev if-peer | grep -q "proto ra"
}
routers() {
  sysctl_write net.ipv6.conf.if-peer.accept_ra 2 # although it forwards
  sysctl_write net.ipv6.conf.if-peer.router_solicitation_delay 0
  sysctl_write net.ipv6.conf.if-peer.keep_addr_on_down 1
  [ -z "$(ip -6 route show default)" ] || fail "the host has a router already"

  link_at_peer router eth0 fd77:aa::/64 10 "$work/router-ready" &
  local router=$!
  until_ready "$work/router-ready"
  ip link set if-peer down
  ip link set if-peer up
  ip route replace 10.77.9.0/24 via 10.77.1.2
  ip -6 route replace fd77:9::/64 via fd77:1::2
  expect "the host asks for routers" wait "$router"
  expect "the router's answer configures the host" eventually 5 configured_from fd77:aa:

  ip -6 route flush proto ra
  not configured_from fd77:bb: || fail "the host is configured from fd77:bb:: before anybody said so"
  link_at_peer advertise eth0 fd77:bb::/64
  expect "a router that speaks unasked configures the host" eventually 5 configured_from fd77:bb:
  sysctl_write net.ipv6.conf.if-peer.accept_ra 0
  ip -6 route flush proto ra
  ip -6 addr flush dev if-peer dynamic
}

# --- multicast groups -----------------------------------------------------------------------------------------------------

groups() {
  local group
  group=$(of_family 239.77.0.1 ff02::7777)
  link_at_peer hear eth0 "$group" 5 "$work/hearing-$family" &
  local hearing=$!
  until_ready "$work/hearing-$family"
  link join if-peer "$group" 20 "$work/joined-$family" &
  local member=$!
  expect "the host reports the group that it joins (IPv$family)" wait "$hearing"
  sleep 1.5 # the report is repeated once, within a second
  expect "the host answers who asks for its groups (IPv$family)" link_at_peer query eth0 "$group" 3
  kill "$member"
}

# --- addresses ----------------------------------------------------------------------------------------------------------

leased() { # COMMAND...: what it prints is the address that the server has to give
  local address
  address=$("$@") || return
  [ "$address" = "$(of_family 10.77.1.50 fd77:1::50)" ]
}
leases4() {
  dhcp_at_peer server4 eth0 10.77.1.50 20 "$work/server4" &
  local server=$!
  until_ready "$work/server4"
  ip addr flush dev if-peer scope global to 10.0.0.0/8 # as at the first start: it asks from 0.0.0.0
  family=4 expect "the host leases an IPv4 address" leased dhcp client4 if-peer 3
  ip addr add 10.77.1.50/24 dev if-peer
  expect "the host renews it" dhcp renew4 10.77.1.50 10.77.1.2 3
  ip addr del 10.77.1.50/24 dev if-peer
  kill "$server"
  ip addr add 10.77.1.1/24 dev if-peer
  ip route replace 10.77.9.0/24 via 10.77.1.2
}
leases6() {
  dhcp_at_peer server6 eth0 fd77:1::50 20 "$work/server6" &
  local server=$!
  until_ready "$work/server6"
  family=6 expect "the host leases an IPv6 address" leased dhcp client6 if-peer 3
  kill "$server"
}

# --- itself -------------------------------------------------------------------------------------------------------------

loopback() {
  local to protocol
  for to in "$(of_family 127.0.0.1 ::1)" "$(address host peer)"; do
    for protocol in tcp udp; do
      expect "the host reaches itself at $to by $protocol" from_host "$protocol" "$to" 9000 3
    done
    expect "the host's ping to itself at $to is answered" link ping "$to" 3
  done
}

# --- answers ------------------------------------------------------------------------------------------------------------

# refused COMMAND...: the other end says that nobody is there.
refused() {
  local status=0
  "$@" 2>/dev/null || status=$?
  [ "$status" = 2 ]
}
answers() {
  expect "the host gets tcp answers from 8001 (IPv$family)" from_host tcp "$(address peer)" 8001 3
  expect "the host gets udp answers from 8001 (IPv$family)" from_host udp "$(address peer)" 8001 3
  expect "the host learns that nobody listens on udp 8003 (IPv$family)" refused from_host udp "$(address peer)" 8003 3
  expect_arrives peer host tcp 8002
  expect_arrives peer host udp 8002
  expect "peer learns that nobody listens on tcp 8004 (IPv$family)" refused attempt peer host tcp 8004 3
  expect "peer learns that nobody listens on udp 8004 (IPv$family)" refused attempt peer host udp 8004 3
}

# --- path MTU -----------------------------------------------------------------------------------------------------------

narrow_path_is_known() { ip route get "$1" | grep -q "mtu 1280"; }
path_mtu() {
  local near far_one far_two bytes=300000
  near=$(address host peer) far_one=$(of_family 10.77.9.2 fd77:9::2) far_two=$(of_family 10.77.9.3 fd77:9::3)
  for to in "$far_one" "$far_two"; do
    not narrow_path_is_known "$to" || fail "the host knows the path's MTU before it sends"
  done
  in_namespace far python3 "$integration/transfer.py" serve "$work/take-$family" "$far_one" 8001 take "$bytes" 15 &
  until_ready "$work/take-$family"
  expect "the host sends $bytes bytes along a narrow path (IPv$family)" transfer connect "$far_one" 8001 give "$bytes" 10
  expect "the host has learned the path's MTU (IPv$family)" narrow_path_is_known "$far_one"

  transfer serve "$work/give-$family" "$near" 8004 give "$bytes" 15 &
  until_ready "$work/give-$family"
  expect "the host serves $bytes bytes along a narrow path (IPv$family)" \
    in_namespace far python3 "$integration/transfer.py" connect "$near" 8004 take "$bytes" 10 "$far_two"
  expect "the host has learned the MTU of the path to its client (IPv$family)" narrow_path_is_known "$far_two"
}

in_both_families strangers
in_both_families peer_finds_the_host
in_both_families loopback
duplicate_addresses
in_both_families groups
routers
leases4
leases6

# What remains needs something that may go out or come in: to 8001 and 8003, and to 8002 and 8004. Untracked policy knows
# no answers, they need rules of their own; but errors about a packet need none in either bucket.
given allow-some-ports.yaml <<END
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: allow-some-ports}
spec:
  order: 1
  selector: role == 'server'
  types: [Ingress, Egress]
  ingress:
  - {action: Allow, protocol: TCP, destination: {ports: ["8002:8004"]}}
  - {action: Allow, protocol: UDP, destination: {ports: ["8002:8004"]}}
$(of_bucket "- {action: Allow, protocol: TCP, source: {ports: [8001]}}" \
    "- {action: Allow, protocol: UDP, source: {ports: [8001]}}")
  egress:
  - {action: Allow, protocol: TCP, destination: {ports: [8001]}}
  - {action: Allow, protocol: UDP, destination: {ports: [8001, 8003]}}
$(of_bucket "- {action: Allow, protocol: TCP, source: {ports: [\"8002:8004\"]}}" \
    "- {action: Allow, protocol: UDP, source: {ports: [\"8002:8004\"]}}")
$(of_bucket "doNotTrack: true" "applyOnForward: true")
END
in_both_families host_finds_peer
in_both_families answers
in_both_families path_mtu
expect_flow reporter=src action=allow bucket="$bucket" protocol=tcp port=8001 # and not by grace of the other one
