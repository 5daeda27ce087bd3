#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Beside the rules and bridges of Docker (iptables-nft) and of podman (nftables), written as those programs write them:
# containers and published ports work as before, forward and preDNAT policy reaches them, staged first, what Docker drops
# stays dropped, and a flush or a rewrite leaves both sides whole. Doctor says which published ports no policy covers.
. "${0%/*}/lib.sh"
need iptables-nft iptables

neighbour client 1
bridge docker0 2 yes
bridged web docker0 2
bridge podman0 3 yes
bridged pod podman0 2
serve web tcp 80 81
serve pod tcp 80
serve client tcp 8080

docker_writes() {
  iptables-nft-restore --noflush <<'END'
*nat
:DOCKER - [0:0]
-F PREROUTING
-F OUTPUT
-F POSTROUTING
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 10.77.2.0/24 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.77.2.2:80
COMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-F FORWARD
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A FORWARD -o podman0 -j ACCEPT
-A FORWARD -i podman0 -j ACCEPT
-A DOCKER -d 10.77.2.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
END
}

podman_writes() {
  nft -f - <<'END'
table inet netavark
delete table inet netavark
table inet netavark {
  chain INPUT { type filter hook input priority filter; policy accept; }
  chain FORWARD {
    type filter hook forward priority filter; policy accept;
    ct state invalid drop
    jump NETAVARK-ISOLATION-1
    ip daddr 10.77.3.0/24 ct state established,related accept
    ip saddr 10.77.3.0/24 accept
  }
  chain POSTROUTING {
    type nat hook postrouting priority srcnat; policy accept;
    meta mark & 0x2000 == 0x2000 masquerade
    ip saddr 10.77.3.0/24 jump nv_2f259bab_10_77_3_0_nm24
  }
  chain PREROUTING {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump NETAVARK-HOSTPORT-DNAT
  }
  chain OUTPUT {
    type nat hook output priority -100; policy accept;
    fib daddr type local jump NETAVARK-HOSTPORT-DNAT
  }
  chain NETAVARK-HOSTPORT-DNAT { tcp dport 8081 jump nv_2f259bab_10_77_3_0_nm24_dnat; }
  chain NETAVARK-HOSTPORT-SETMARK { meta mark set meta mark | 0x2000; }
  chain NETAVARK-ISOLATION-1 { }
  chain nv_2f259bab_10_77_3_0_nm24 {
    ip daddr 10.77.3.0/24 accept
    ip daddr != 224.0.0.0/4 masquerade
  }
  chain nv_2f259bab_10_77_3_0_nm24_dnat {
    ip saddr 10.77.3.0/24 tcp dport 8081 jump NETAVARK-HOSTPORT-SETMARK
    ip saddr 127.0.0.1 tcp dport 8081 jump NETAVARK-HOSTPORT-SETMARK
    tcp dport 8081 dnat ip to 10.77.3.2:80
  }
}
END
}

docker_writes
podman_writes
theirs=$(rules others)
containers_work() {
  expect_arrives client host tcp 8080
  expect_arrives client host tcp 8081
  expect_arrives web client tcp 8080
  expect_arrives pod client tcp 8080
  expect_denied client web tcp 81 # not published: Docker drops it
}
containers_work

start_daemon
given_host_endpoint outside if-client
containers_work
expect_found published-port "tcp port 8080 to 10.77.2.2:80 is published by ip nat (Docker), and no policy covers it on if-client"
expect_found published-port "tcp port 8081 to 10.77.3.2:80 is published by inet netavark (podman), and no policy covers it"
expect_found drops-after "ip filter (Docker) comes after Drywall and can drop what a policy allows, at forward by policy and rules"
expect_found drops-after "inet netavark (podman)"
expect_found found-docker "its rules are in ip filter, ip nat; its interfaces: docker0"
expect_found found-podman "its rules are in inet netavark; its interfaces: podman0"
[ ! -d /proc/sys/net/bridge ] || expect_found bridge-netfilter "bridge-nf-call-iptables"

lockdown() { # KIND
  given lockdown.yaml <<END
apiVersion: projectcalico.org/v3
kind: $1
metadata: {name: lockdown}
spec:
  selector: role == 'outside'
  applyOnForward: true
  types: [Ingress]
  ingress:
  - {action: Deny, protocol: TCP, destination: {nets: [10.77.2.0/24], ports: [80]}}
  - {action: Allow}
END
}
lockdown StagedGlobalNetworkPolicy
containers_work
expect_flow port=80 pending=would-deny action=allow
expect_found published-port "tcp port 8080 to 10.77.2.2:80 is published by ip nat (Docker), and only a staged policy covers it"

lockdown GlobalNetworkPolicy
reached_as_said() {
  expect_denied client host tcp 8080
  expect_arrives client host tcp 8081
  expect_arrives web client tcp 8080
  expect_denied client web tcp 81 # our policy allows it, Docker does not
}
reached_as_said
expect_not_found published-port "port 808"

given before-dnat.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: before-dnat}
spec:
  selector: role == 'outside'
  preDNAT: true
  applyOnForward: true
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [8081]}}]
END
expect_denied client host tcp 8081
rm "$policy_dir/before-dnat.yaml"
reload
reached_as_said
expect "Drywall changed nothing of theirs" test "$(rules others)" = "$theirs"

ours=$(rules ours)
docker_writes
podman_writes
expect "their rewriting changes nothing of ours" test "$(rules ours)" = "$ours"
expect "nor had anything to be healed" test "$(status_value kernel.healed)" = 0
reached_as_said

printf 'flush ruleset\n' >"$work/nftables.conf"
nft -f "$work/nftables.conf"
is_back() { [ "$(rules ours)" = "$ours" ]; }
expect "after a flush by nft -f our rules are back" eventually 3 is_back
docker_writes
podman_writes
reached_as_said
expect "they are as they were" test "$(rules others)" = "$theirs"
expect "and so are we" test "$(rules ours)" = "$ours"
