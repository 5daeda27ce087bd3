#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `drywall doctor` without drywalld: what it finds on a healthy machine (nothing), in other programs' tables, in the files
# that say what happens at boot, and in what this kernel can show; its exit codes and its JSON; and what it cannot tell.
. "${0%/*}/lib.sh"

doctor() { drywall doctor --root "$doctor_root" "$@"; }
expect_exit() { # CODE COMMAND...
  local wanted=$1 got=0
  shift
  "$@" >"$work/out" 2>"$work/err" || got=$?
  [ "$got" = "$wanted" ] || fail "$* exits $got instead of $wanted: $(cat "$work/out" "$work/err")"
  passed "$* exits $wanted"
}

export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$work/bus
mkdir -p "$work/etc"
expect_exit 0 doctor
expect "it says that it found nothing" grep -qx 'nothing found' "$work/out"
expect "it says what it cannot tell without drywalld" grep -q 'cannot tell whether the kernel holds' "$work/err"
expect_exit 2 doctor --frobnicate

# Other programs' tables.
nft -f - <<'END'
table ip kube-proxy {
  map services { type ipv4_addr . inet_service : verdict; elements = { 10.96.0.1 . 443 : goto service-a }; }
  chain service-a { tcp dport 443 dnat to 10.244.0.5:6443; }
  chain nat-prerouting { type nat hook prerouting priority dstnat; policy accept; ip daddr . tcp dport vmap @services; }
  chain filter-forward { type filter hook forward priority -110; policy accept; ct state vmap { invalid : drop, new : accept }; }
}
table ip libvirt_network {
  chain forward { type filter hook forward priority filter; policy accept; jump guest_cross; }
  chain guest_cross { iifname "virbr0" jump guest_out; }
  chain guest_out { counter reject; }
}
table inet early { chain raw { type filter hook prerouting priority -350; policy accept; tcp flags & (fin|syn) == fin|syn drop; }; }
table inet late { chain strict { type filter hook output priority 20; policy drop; accept; }; }
table inet quiet { chain count { type filter hook input priority 5; policy accept; counter; }; }
table bridge elsewhere { chain input { type filter hook input priority 0; policy drop; }; }
END
expect_exit 1 doctor
expect "tables of other families are nobody's business" sh -c '! grep -q elsewhere "$0"' "$work/out"
expect_found drops-before "inet early comes before Drywall and can drop, at prerouting by rules"
expect_found drops-before "ip kube-proxy (kube-proxy) comes before Drywall"
expect_found drops-after "inet late comes after Drywall and can drop what a policy allows, at output by policy"
expect_found drops-after "ip libvirt_network (libvirt) comes after"
expect_not_found drops-after quiet
expect_found found-kube-proxy "ip kube-proxy"
expect_found found-libvirt "ip libvirt_network"
expect_not_found published-port 10.244.0.5

chain_is() { # CHAIN KEY=VALUE...
  (doctor -o json 2>/dev/null || true) | python3 -c '
import json, sys
document = json.load(sys.stdin)
assert list(document) == ["findings", "chains", "cannot_tell"], document.keys()
assert all(list(f) == ["severity", "code", "message", "help"] for f in document["findings"])
chain = next(c for c in document["chains"] if c["chain"] == sys.argv[1])
assert list(chain) == ["hook", "order", "priority", "family", "table", "chain", "type", "policy", "drops", "legacy", "programs"], chain
for wanted in sys.argv[2:]:
    key, value = wanted.split("=")
    assert json.dumps(chain[key]).strip("\"") == value, (key, chain[key])' "$@"
}
expect "a chain is shown as it is" chain_is strict hook=output order=after priority=20 family=inet table=late type=filter policy=drop drops=true
expect "a chain that reaches a reject" chain_is forward hook=forward drops=true policy=accept order=after
expect "a chain that only counts" chain_is count drops=false order=after
expect "verdicts of a map count" chain_is filter-forward order=before drops=true
nft flush ruleset

# The old iptables.
if [ -r /proc/net/ip_tables_names ] && command -v iptables-legacy >/dev/null && iptables-legacy -A INPUT -p tcp --dport 9 -j DROP 2>/dev/null; then
  iptables-legacy -t nat -N DOCKER
  expect_found iptables-legacy "ip filter, ip nat"
  expect_found drops-after "ip filter (iptables-legacy) comes after Drywall"
  expect_found found-docker "ip nat (iptables-legacy)"
  iptables-legacy -F
  iptables-legacy -t nat -X
  expect_not_found iptables-legacy ip # the tables are still there, with nothing in them
  iptables-legacy -P FORWARD DROP
  expect_found drops-after "at forward by policy"
  iptables-legacy -P FORWARD ACCEPT
else
  echo "not shown: rules of iptables-legacy (not in this kernel, not installed, or not for this user to see)"
fi

# What happens at boot.
units=$doctor_root/etc/systemd/system
mkdir -p "$units/sysinit.target.wants" "$units/multi-user.target.wants" "$doctor_root/lib/systemd/system" \
  "$doctor_root/etc/ufw" "$doctor_root/etc/nftables.d"
printf '# flush ruleset\ninclude "/etc/nftables.d/*.nft"\n' >"$doctor_root/etc/nftables.conf"
printf 'table inet a { }\nflush ruleset\n' >"$doctor_root/etc/nftables.d/first.nft"
expect_exit 0 doctor
ln -s /lib/systemd/system/nftables.service "$units/sysinit.target.wants/"
expect_exit 1 doctor
expect_found flush-at-boot "nftables.service is enabled, and /etc/nftables.d/first.nft:2 flushes every table"
printf '[Unit]\nAfter=sysinit.target nftables.service\n' >"$doctor_root/lib/systemd/system/drywalld.service"
expect_exit 0 doctor # Drywall starts after it: only a note
expect_found flush-at-boot "nftables.service"
ln -s /dev/null "$units/nftables.service"
expect_not_found flush-at-boot nftables # masked
for unit in ufw firewalld netfilter-persistent; do ln -s "/lib/systemd/system/$unit.service" "$units/multi-user.target.wants/"; done
echo 'ENABLED=no' >"$doctor_root/etc/ufw/ufw.conf"
expect_found loads-at-boot firewalld.service
expect_found loads-at-boot netfilter-persistent.service
expect_not_found loads-at-boot ufw.service
echo 'ENABLED=yes' >"$doctor_root/etc/ufw/ufw.conf"
expect_found loads-at-boot ufw.service
rm -r "${doctor_root:?}/etc"

# The NFLOG group.
cat >"$work/take_group.py" <<'END'
import socket, struct, sys, time
nflog = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
nflog.bind((0, 0))
command = struct.pack("=HHB3x", 5, 1, 1)  # NFULA_CFG_CMD: NFULNL_CFG_CMD_BIND
body = struct.pack("=BBH", 0, 0, socket.htons(4242)) + command
nflog.send(struct.pack("=IHHII", 16 + len(body), 4 << 8 | 1, 5, 1, 0) + body)
assert struct.unpack_from("=i", nflog.recv(4096), 16)[0] == 0
print("taken", flush=True)
time.sleep(60)
END
python3 "$work/take_group.py" >"$work/taken" &
taker=$!
eventually 5 grep -q taken "$work/taken" || fail "the NFLOG group could not be taken"
if [ -r /proc/net/netfilter/nfnetlink_log ]; then
  expect_found nflog-taken "is taken by python3 (process $taker)"
  expect_exit 1 doctor
else
  echo "not shown: who has the NFLOG group (not for this user to see)"
fi
kill "$taker"
wait "$taker" || true
expect_not_found nflog-taken python3

# Interfaces.
if ip link add red type vrf table 10 2>/dev/null; then
  ip link add in-vrf type veth peer name other
  ip link set in-vrf master red
  expect_found vrf "in-vrf (of red)"
  ip link del red
  ip link del in-vrf
else
  echo "not shown: VRF (not in this kernel)"
fi
ip link add lower type veth peer name upper
if ip link add guest link lower type macvlan 2>/dev/null; then
  expect_found macvlan guest
else
  echo "not shown: macvlan (not in this kernel)"
fi
ip link del lower
if ip xfrm policy add src 10.8.0.0/16 dst 10.9.0.0/16 dir in tmpl src 10.1.0.1 dst 10.1.0.2 proto esp mode tunnel 2>/dev/null; then
  expect_found ipsec-without-interface "1 IPsec polic"
  ip xfrm policy flush
else
  echo "not shown: IPsec (not in this kernel)"
fi
ip link add lxdbr0 type bridge
expect_found found-lxd "its interfaces: lxdbr0"
ip link del lxdbr0
if [ -w /proc/sys/net/netfilter/nf_conntrack_tcp_loose ]; then
  sysctl_write net.netfilter.nf_conntrack_tcp_loose 0
  expect_found conntrack-strict nf_conntrack_tcp_loose
  sysctl_write net.netfilter.nf_conntrack_tcp_loose 1
fi
bridge br0 1
ip link add if-web type veth peer name web
ip link set if-web master br0
given_workload_file() {
  write_policy workload.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: web, namespace: prod}
spec: {node: host, interfaceName: if-web, ipNetworks: [10.77.1.2/32]}
END
}
given_workload_file
expect "an endpoint behind a bridge is told" sh -c '("$@" || true) | grep -q "behind-bridge"' sh \
  "$build/drywall" doctor --root "$doctor_root" --policy-dir "$policy_dir"
echo 'kind: nothing' | write_policy broken.yaml
doctor --policy-dir "$policy_dir" >"$work/out" 2>"$work/err" || true
expect "a directory with mistakes cannot be told of" grep -q 'cannot tell which published ports.*drywall check' "$work/err"

if setpriv --reuid 65534 --clear-groups true 2>/dev/null; then
  rm "$policy_dir"/*
  ip link del br0
  expect_exit 2 setpriv --reuid 65534 --clear-groups "$build/drywall" doctor --root "$doctor_root"
  expect "it says that it may not look" grep -q 'cannot tell what other tables do' "$work/err"
fi
