#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A workload's source check lets through what a machine sends before it has an address: a DHCP request from 0.0.0.0,
# duplicate address detection and multicast reports from `::`, and all from a link-local address. Nothing else.
. "${0%/*}/lib.sh"

neighbour frontend 1
serve host udp 8080
# The test's own counters, behind the source check and before anything of the kernel's.
nft -f - <<'END'
table inet seen {
  counter from-zero {}
  counter report {}
  chain prerouting {
    type filter hook prerouting priority -250
    iifname "if-frontend" ip saddr 0.0.0.0 counter name from-zero
    iifname "if-frontend" ip6 saddr :: icmpv6 type 143 counter name report
  }
}
END
seen() { nft -j list counter inet seen "$1" | json_value nftables.1.counter.packets; }
some_seen() { [ "$(seen "$1")" -gt 0 ]; }

start_daemon
given felix.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {defaultEndpointToHostAction: Accept}
END
expect_delivered frontend host 0.0.0.0 255.255.255.255 68 69
expect_delivered frontend host :: fd77:1::1
nft reset counters table inet seen >/dev/null
given_workload frontend prod
expect_delivered frontend host 10.77.1.2 10.77.1.1
expect_stopped frontend host 10.77.1.3 10.77.1.1

expect_delivered frontend host 0.0.0.0 255.255.255.255 68 67
expect "the DHCP request is counted" test "$(seen from-zero)" = 1
expect_stopped frontend host 0.0.0.0 255.255.255.255 68 69
expect_stopped frontend host 0.0.0.0 255.255.255.255 67 68
expect_stopped frontend host 0.0.0.0 255.255.255.255
expect "nothing else from 0.0.0.0 is" test "$(seen from-zero)" = 1
expect_stopped frontend host :: fd77:1::1

# The workload tries to take the host's address: the host hears of it only from `::`, and objects.
in_namespace frontend sh -c 'echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_dad'
duplicate_found() { ip -n frontend -6 addr show dev eth0 | grep -q 'fd77:1::1/64.*dadfailed'; }
ip -n frontend addr add fd77:1::1/64 dev eth0
expect "the host defends its address against the workload" eventually 5 duplicate_found
ip -n frontend addr del fd77:1::1/64 dev eth0

# A new interface reports its groups from `::` as long as it has no address; this one has lost all.
ip -n frontend link set eth0 down
ip -n frontend addr flush dev eth0
in_namespace frontend sh -c 'echo 1 >/proc/sys/net/ipv6/conf/eth0/addr_gen_mode' # no link-local one by itself
nft reset counters table inet seen >/dev/null
ip -n frontend link set eth0 up
join='import socket, struct, sys, time
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
group = socket.inet_pton(socket.AF_INET6, "ff05::77:77")
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + struct.pack("@I", socket.if_nametoindex("eth0")))
time.sleep(5)'
in_namespace frontend timeout 5 python3 -c "$join" &
expect "its multicast report from :: is seen" eventually 5 some_seen report

# With a link-local address, and no other, it reaches the host.
ip -n frontend addr add fe80::77/64 dev eth0 nodad
link_local=$(ip -6 -o addr show dev if-frontend scope link | sed 's/.*inet6 \([^/]*\).*/\1/')
family=6 expect_arrives frontend "$link_local%eth0" udp 8080
ip -n frontend addr add fd77:1::3/64 dev eth0 nodad
expect_stopped frontend host fd77:1::3 fd77:1::1
