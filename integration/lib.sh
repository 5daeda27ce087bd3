# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What every script here stands on: a policed host of its own, neighbours around it, the real daemon, and expectations.
#
# The script runs again in new network, mount and process namespaces (with a user namespace if it is not root's, or if it
# sets in_user_namespace=yes before it reads this: then its root is none where kernel memory is granted). Its
# files lie in a file system that only these namespaces see. When the script ends, however it ends, the kernel kills
# what it started and removes interfaces, rules, mounts and files with the namespaces: there is nothing to tidy up.
#
#   policed host          the namespace that the script itself runs in; drywalld polices it as node "host"
#   neighbour NAME N      a host in a namespace of its own, joined by the interface if-NAME
#                           NAME: 10.77.N.2 and fd77:N::2       policed host: 10.77.N.1 and fd77:N::1
#
# DRYWALL_BUILD names the folder with drywall and drywalld (default: build/).

set -euo pipefail

integration=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(realpath -m "${DRYWALL_BUILD:-$integration/../build}")
export PATH="/usr/sbin:/usr/bin:/sbin:/bin:$PATH" # the system's own python3, which starts faster than a version manager's

# --- namespaces ---------------------------------------------------------------------------------------------------------

run_in_sandbox() {
  local flags=(--net --mount --pid --fork --kill-child)
  [ "$(id -u)" -eq 0 ] && [ "${in_user_namespace:-no}" = no ] || flags+=(--user --map-root-user)
  # Where / is no mount point (a plain chroot), its propagation cannot be changed and need not be.
  unshare "${flags[@]}" true 2>/dev/null || flags+=(--propagation unchanged)
  DRYWALL_SANDBOX=inside setpriv --pdeathsig KILL unshare "${flags[@]}" -- "$BASH" "$0" "$@" <&0 &
  local sandbox=$! status=0
  # The death of unshare kills the namespace's first process, and with it all others.
  trap 'kill -KILL "$sandbox" 2>/dev/null; exit 130' INT
  trap 'kill -KILL "$sandbox" 2>/dev/null; exit 143' TERM HUP
  wait "$sandbox" || status=$?
  exit "$status"
}

if [ "${DRYWALL_SANDBOX:-}" != inside ]; then
  run_in_sandbox "$@"
fi
unset DRYWALL_SANDBOX

mount -t proc proc /proc 2>/dev/null || true # one that shows this process namespace, and whose sysctls are writable
mount -t tmpfs tmpfs /run
mkdir -p /run/netns /run/drywall-test
work=/run/drywall-test
policy_dir=$work/policy
mkdir "$policy_dir" "$work/state" "$work/runtime"
ip link set lo up

sysctl_write() { echo "$2" >"/proc/sys/${1//.//}"; }
sysctl_write net.ipv4.ip_forward 1
sysctl_write net.ipv6.conf.all.forwarding 1
sysctl_write net.ipv6.conf.default.accept_dad 0 # addresses are usable at once

in_namespace() {
  local name=$1
  shift
  if [ "$name" = host ]; then
    "$@"
  else
    nsenter --net="/run/netns/$name" -- "$@"
  fi
}

declare -A neighbour_number=()

# neighbour NAME N: see the head of this file.
neighbour() {
  local name=$1 number=$2 link="if-$1"
  neighbour_number[$name]=$number
  ip netns add "$name"
  in_namespace "$name" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad'
  ip link add "$link" type veth peer name eth0 netns "$name"
  ip addr add "10.77.$number.1/24" dev "$link"
  ip addr add "fd77:$number::1/64" dev "$link" nodad
  ip link set "$link" up
  ip -n "$name" addr add "10.77.$number.2/24" dev eth0
  ip -n "$name" addr add "fd77:$number::2/64" dev eth0 nodad
  ip -n "$name" link set lo up
  ip -n "$name" link set eth0 up
  ip -n "$name" route add default via "10.77.$number.1"
  ip -n "$name" -6 route add default via "fd77:$number::1"
}

# bridge NAME N [yes]: one of the policed host, with the addresses 10.77.N.1 and fd77:N::1. The kernel shows what it
# forwards inside a bridge to IP's hooks only with "yes" (if it can).
bridge() {
  if [ -d /proc/sys/net/bridge ]; then
    sysctl_write net.bridge.bridge-nf-call-iptables "$([ "${3:-}" = yes ] && echo 1 || echo 0)"
    sysctl_write net.bridge.bridge-nf-call-ip6tables "$([ "${3:-}" = yes ] && echo 1 || echo 0)"
  fi
  ip link add "$1" address "02:77:00:00:00:0$2" type bridge # one that does not change with its ports
  sysctl_write "net.ipv6.conf.$1.accept_dad" 0
  ip addr add "10.77.$2.1/24" dev "$1"
  ip addr add "fd77:$2::1/64" dev "$1" nodad
  ip link set "$1" up
  bridge_number[$1]=$2
}

# bridged NAME BRIDGE LAST: a host in a namespace of its own behind a bridge, whose port if-NAME is. It has the addresses
# 10.77.N.LAST and fd77:N::LAST.
declare -A bridge_number=() bridged_last=()
bridged() {
  local name=$1 number=${bridge_number[$2]}
  neighbour_number[$name]=$number
  bridged_last[$name]=$3
  ip netns add "$name"
  in_namespace "$name" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad'
  ip link add "if-$name" type veth peer name eth0 netns "$name"
  ip link set "if-$name" master "$2" up
  ip -n "$name" addr add "10.77.$number.$3/24" dev eth0
  ip -n "$name" addr add "fd77:$number::$3/64" dev eth0 nodad
  ip -n "$name" link set lo up
  ip -n "$name" link set eth0 up
  ip -n "$name" route add default via "10.77.$number.1"
  ip -n "$name" -6 route add default via "fd77:$number::1"
}

# address NAME: of a neighbour, in the family at hand; address host NAME: of the policed host as that neighbour sees it.
family=4
address() {
  local name=$1 last=${bridged_last[$1]:-2}
  if [ "$name" = host ]; then
    last=1 name=$2
  fi
  if [ "$family" = 4 ]; then
    echo "10.77.${neighbour_number[$name]}.$last"
  else
    echo "fd77:${neighbour_number[$name]}::$last"
  fi
}

# in_both_families COMMAND...: once with `family` 4, once with 6.
in_both_families() {
  for family in 4 6; do
    "$@"
  done
}

# --- waiting ------------------------------------------------------------------------------------------------------------

# eventually SECONDS COMMAND...: true as soon as the command is; false if it still is not after that time.
eventually() {
  local until=$(($(date +%s%N) / 1000000 + $1 * 1000))
  shift
  until "$@"; do
    [ $(($(date +%s%N) / 1000000)) -lt "$until" ] || return 1
    sleep 0.02
  done
}

# --- events that are lost -------------------------------------------------------------------------------------------------

netlink_route=0 netlink_netfilter=12

# netlink_lost PROTOCOL: how many messages of its events the sockets here that subscribe to any, the daemon's, have lost.
netlink_lost() {
  awk -v protocol="$1" '$2 == protocol && $4 != "00000000" { lost += $9 } END { print lost + 0 }' /proc/net/netlink
}

# until_lost PROTOCOL N COMMAND...: the command again and again, until N are.
until_lost() {
  local protocol=$1 wanted=$2 round
  shift 2
  for ((round = 0; round < 1000; ++round)); do
    "$@" || fail "$*"
    [ "$(netlink_lost "$protocol")" -lt "$wanted" ] || return 0
  done
  fail "no event was lost"
}

# --- the daemon ---------------------------------------------------------------------------------------------------------

drywall() { "$build/drywall" "$@"; }

start_bus() {
  export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$work/bus
  cat >"$work/bus.conf" <<END
<busconfig>
  <type>system</type>
  <listen>$DBUS_SYSTEM_BUS_ADDRESS</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
END
  dbus-daemon --config-file="$work/bus.conf" --nofork --nopidfile --nosyslog 2>"$work/bus.log" &
  bus_pid=$!
  eventually 10 test -S "$work/bus" || fail "the bus did not start: $(cat "$work/bus.log")"
}

daemon_answers() {
  local status=0
  drywall status >/dev/null 2>&1 || status=$?
  [ "$status" -lt 3 ]
}

daemon_pid=
# start_daemon [OPTION...]: drywalld on the policed host, on a bus of its own; back when it answers.
start_daemon() {
  [ -S "$work/bus" ] || start_bus
  "$build/drywalld" --policy-dir "$policy_dir" --state-dir "$work/state" --runtime-dir "$work/runtime" --node host "$@" \
    >>"$work/daemon.log" 2>&1 &
  daemon_pid=$!
  eventually 20 daemon_answers || fail "drywalld did not start"
}

# start_edit_helper: what drywall-edit.socket is on a booted system.
start_edit_helper() {
  systemd-socket-activate --accept --inetd --listen="$work/runtime/edit.socket" \
    --setenv=DBUS_SYSTEM_BUS_ADDRESS="$DBUS_SYSTEM_BUS_ADDRESS" "$build/drywall" --edit-request >"$work/helper.log" 2>&1 &
  eventually 10 test -S "$work/runtime/edit.socket" || fail "the helper does not listen: $(cat "$work/helper.log")"
}

# status_value KEY[.KEY...]: from `drywall status`, also if it is degraded.
status_value() { (drywall status -o json || true) | json_value "$1"; }
json_value() {
  python3 -c '
import functools, json, sys
value = functools.reduce(lambda v, key: v[int(key)] if isinstance(v, list) else v[key], sys.argv[1].split("."), json.load(sys.stdin))
print(value if isinstance(value, str) else json.dumps(value))' "$1"
}

# --- policies -----------------------------------------------------------------------------------------------------------

# write_policy NAME <TEXT: into the policy directory, by rename, without a word to the daemon.
write_policy() {
  cat >"$work/new-policy"
  mv "$work/new-policy" "$policy_dir/$1"
}

# given NAME <TEXT: the same, and in force before the next line of the script if drywalld runs.
given() {
  write_policy "$1"
  [ -z "$daemon_pid" ] || reload
}

reload() { drywall reload >"$work/reload.out" 2>&1 || fail "drywalld refused the policy: $(cat "$work/reload.out")"; }

# given_large NAME WHAT <TEXT: as given, and says how long that took.
given_large() {
  local begin took rules
  write_policy "$1"
  begin=$(date +%s%N)
  reload
  took=$((($(date +%s%N) - begin) / 1000000))
  rules=$(sed -n '$s/.*; \([0-9]* rules\),.*/\1/p' "$work/daemon.log")
  echo "measured: $2: in force after $took ms, $rules"
}

# given_host_endpoint NAME INTERFACE [PROFILE]: labelled role=NAME; profile: default projectcalico-default-allow.
given_host_endpoint() {
  given "endpoint-$1.yaml" <<END
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata:
  name: $1
  labels: {role: $1}
spec:
  node: host
  interfaceName: "$2"
  profiles: [${3-projectcalico-default-allow}]
END
}

# given_workload NAME NAMESPACE: a neighbour as a workload of the policed host, labelled app=NAME and env=NAMESPACE.
given_workload() {
  local number=${neighbour_number[$1]} last=${bridged_last[$1]:-2}
  [ -e "$policy_dir/namespace-$2.yaml" ] || write_policy "namespace-$2.yaml" <<END
apiVersion: v1
kind: Namespace
metadata: {name: $2}
END
  given "workload-$1.yaml" <<END
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata:
  name: $1
  namespace: $2
  labels: {app: $1, env: $2}
spec:
  node: host
  interfaceName: if-$1
  ipNetworks: [10.77.$number.$last/32, "fd77:$number::$last/128"]
  profiles: [kns.$2]
END
}

# given_services N M: a NAT table that is not ours. TCP to 10.99.0.1 or fd99::1 goes to 8080 of the policed host, as
# neighbour N sees it, if sent to port 80, and of neighbour M if sent to port 81. `service` is the address in the family
# at hand.
service() { if [ "$family" = 4 ]; then echo 10.99.0.1; else echo fd99::1; fi; }
given_services() {
  nft -f - <<END
table inet services {
  chain prerouting {
    type nat hook prerouting priority dstnat
    ip daddr 10.99.0.1 tcp dport 80 dnat ip to 10.77.$1.1:8080
    ip daddr 10.99.0.1 tcp dport 81 dnat ip to 10.77.$2.2:8080
    ip6 daddr fd99::1 tcp dport 80 dnat ip6 to [fd77:$1::1]:8080
    ip6 daddr fd99::1 tcp dport 81 dnat ip6 to [fd77:$2::2]:8080
  }
}
END
}

# --- traffic and expectations -------------------------------------------------------------------------------------------

# serve NAME PROTOCOL PORT...: answers there, in both families, until the script ends.
serve() {
  local name=$1 protocol=$2 ready
  shift 2
  ready="$work/serving-$name-$protocol-$1"
  in_namespace "$name" python3 "$integration/traffic.py" serve "$protocol" "$ready" "$@" &
  eventually 10 test -e "$ready" || fail "$name cannot serve $protocol $*"
}

# attempt FROM TO PROTOCOL PORT TIMEOUT: 0 answered, 1 no answer, 2 refused. TO may be "host", or an address.
attempt() {
  local to
  case $2 in
    host) to=$(address host "$1") ;;
    *[.:]*) to=$2 ;;
    *) to=$(address "$2") ;;
  esac
  in_namespace "$1" python3 "$integration/traffic.py" connect "$3" "$to" "$4" "$5"
}

fail() {
  {
    echo "FAILED: $*"
    echo "--- drywall status"
    drywall status 2>&1 || true
    echo "--- drywalld"
    tail -n 40 "$work/daemon.log" 2>/dev/null || true
    echo "--- nft list ruleset"
    nft list ruleset 2>/dev/null | head -n 200 || true
  } >&2
  exit 1
}

passed() { echo "ok: $*"; }

expect_arrives() {
  attempt "$1" "$2" "$3" "$4" 3 || fail "$1 does not reach $2 on $3 $4 (IPv$family)"
  passed "$1 reaches $2 on $3 $4 (IPv$family)"
}

expect_denied() {
  local status=0
  attempt "$1" "$2" "$3" "$4" 0.7 || status=$?
  [ "$status" = 1 ] || fail "$1 should get no answer from $2 on $3 $4 (IPv$family), got $status"
  passed "$1 does not reach $2 on $3 $4 (IPv$family)"
}

# expect_delivered FROM TO SOURCE DESTINATION [SOURCE_PORT PORT]: a UDP datagram that the neighbour FROM sends under any
# address reaches TO.
expect_delivered() {
  python3 -B "$integration/crafted.py" --within 3 "$@" || fail "what $1 sends from $3 to $4 does not come through to $2"
  passed "what $1 sends from $3 to $4 comes through to $2"
}

expect_stopped() {
  local status=0
  python3 -B "$integration/crafted.py" "$@" || status=$?
  [ "$status" = 1 ] || fail "what $1 sends from $3 to $4 should not come through to $2, got $status"
  passed "what $1 sends from $3 to $4 does not come through to $2"
}

# expect_flow KEY=VALUE...: some flow record has all of these; keys: integration/flow_match.py.
expect_flow() {
  python3 "$integration/flow_match.py" --within 5 "$build/drywall" "$@" || fail "no flow record with $*"
  passed "flow $*"
}

expect_no_flow() {
  python3 "$integration/flow_match.py" --absent "$build/drywall" "$@" || fail "unexpected flow record with $*"
  passed "no flow $*"
}

# expect WHAT COMMAND...
expect() {
  local what=$1
  shift
  "$@" || fail "$what"
  passed "$what"
}

# --- previews -----------------------------------------------------------------------------------------------------------

# preview [POLICY...]: asks, and keeps the answer for `ask`.
# shellcheck disable=SC2120 # scripts pass names
preview() { drywall preview -o json "$@" >"$work/preview.json" || [ $? = 1 ]; }

# ask EXPRESSION: of the last preview `p`, in Python, is true.
ask() {
  python3 - "$work/preview.json" "$1" <<'END' || { cat "$work/preview.json" >&2 && return 1; }
import json, sys
p = json.load(open(sys.argv[1]))
sys.exit(0 if eval("(" + sys.argv[2] + ")") else 1)
END
}

# expect_preview WHAT EXPRESSION: of a preview of everything, within a few seconds.
preview_shows() { preview && ask "$1" 2>/dev/null; }
expect_preview() { eventually 5 preview_shows "$2" || { ask "$2" || fail "the preview should show: $1"; } && passed "$1"; }

# own_etc: /etc becomes a copy that only this script sees, with /etc/drywall in it.
own_etc() {
  cp -a /etc "$work/etc" 2>/dev/null || true # what another user may not read is left out
  mkdir -p "$work/etc/drywall"
  mount --bind "$work/etc" /etc
}

# --- other firewalls ----------------------------------------------------------------------------------------------------

# need PROGRAM PACKAGE: skips the test where it is not installed.
need() {
  command -v "$1" >/dev/null || {
    echo "$1 is missing: install the package $2"
    exit 77
  }
}

# doctor_finds CODE TEXT: `drywall doctor` has a finding of that code whose message contains the text.
doctor_finds() {
  (drywall doctor --root "$doctor_root" -o json 2>/dev/null || true) | python3 -c '
import json, sys
found = json.load(sys.stdin)["findings"]
sys.exit(not any(f["code"] == sys.argv[1] and sys.argv[2] in f["message"] and f["help"] for f in found))' "$1" "$2"
}
doctor_root=$work/root # an empty one: what this machine does at boot is no matter of tests
mkdir "$doctor_root"

expect_found() {
  doctor_finds "$1" "$2" || fail "doctor does not find $1 with \"$2\": $(drywall doctor --root "$doctor_root" 2>&1)"
  passed "doctor finds $1: $2"
}
expect_not_found() {
  if doctor_finds "$1" "$2"; then fail "doctor should not find $1 with \"$2\": $(drywall doctor --root "$doctor_root" 2>&1)"; fi
  passed "doctor finds no $1 with \"$2\""
}

# rules ours|others: the chains and their rules without counts and handles, chains by name: what is written anew may come
# in another order.
rules() {
  nft -j list ruleset 2>/dev/null | python3 -c '
import json, sys
lines = []
for entry in json.load(sys.stdin)["nftables"]:
    kind, value = next(iter(entry.items()))
    if kind not in ("chain", "rule") or (value["table"] == "drywall") != (sys.argv[1] == "ours"):
        continue
    value.pop("handle", None)
    for expression in value.get("expr", []):
        if isinstance(expression, dict) and expression.get("counter"):
            expression["counter"] = None
    lines.append((value["family"], value["table"], value.get("chain", value.get("name")), kind, json.dumps(value)))
print(*sorted(lines, key=lambda line: line[:3]), sep="\n")' "$1"
}
