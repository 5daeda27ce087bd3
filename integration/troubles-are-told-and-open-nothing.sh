#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# When the host fails Drywall (a full disk, a file system that cannot be written, no bus, no daemon, a taken NFLOG group, a
# full connection table, somebody's flush), one message says what is wrong and what to do, and what was denied is denied,
# what was allowed goes on.
. "${0%/*}/lib.sh"
. "${0%/*}/told"

neighbour client 1
serve host tcp 8080 9090
given_host_endpoint server if-client
policy_denying() {
  cat <<END
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-some}
spec:
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [$1]}}, {action: Allow}]
END
}
policy_denying 8080 | write_policy policy.yaml

says() { # CODE TEXT HELP COMMAND...: ends with that code, and says both on stderr
  local code=$1 text=$2 help=$3 got=0
  shift 3
  "$@" >/dev/null 2>"$work/err" || got=$?
  [ "$got" = "$code" ] || fail "$* exits $got instead of $code"
  grep -q "$text" "$work/err" && grep -q "$help" "$work/err" || fail "$* says: $(cat "$work/err")"
  passed "$* says: $(head -n 1 "$work/err")"
}

mount -t tmpfs -o size=2m tmpfs "$work/state"
start_daemon
still_protected

echo "-- the disk is full"
dd if=/dev/zero of="$work/state/full" bs=4k count=1000 2>/dev/null || true
policy_denying "8080, 7070" | given policy.yaml
told "a full disk" last-good "No space left" "make room"
rm "$work/state/full"
reload
mended "room and a reload"
dd if=/dev/zero of="$work/state/full" bs=4k count=1000 2>/dev/null || true
kill "$daemon_pid"
wait "$daemon_pid" || true
start_daemon
still_protected
told "a full disk at the start" evidence "full|No space" "make room.*restart drywalld"
rm "$work/state/full"
kill "$daemon_pid"
wait "$daemon_pid" || true
start_daemon
mended "room and a restart"

echo "-- the policy directory cannot be written"
mount --bind "$policy_dir" "$policy_dir"
mount -o remount,bind,ro "$policy_dir"
reload
expect "nothing is wrong with that" is_clean
still_protected
umount "$policy_dir"

echo "-- a file that begins with a flush of everything"
printf 'flush ruleset\ntable inet theirs {}\n' >"$work/nftables.conf"
nft -f "$work/nftables.conf"
is_healed() { [ "$(status_value kernel.healed)" -ge 1 ]; }
eventually 5 is_healed || fail "the flush is not healed"
still_protected
expect "it is told who it was" grep -q "nft (process [0-9]*) changed our tables: .* put back" "$work/daemon.log"

echo "-- the table of connections is full"
if [ -e /proc/sys/net/netfilter/nf_conntrack_count ]; then
  cat /proc/sys/net/netfilter/nf_conntrack_max >"$work/count"
  mount --bind "$work/count" /proc/sys/net/netfilter/nf_conntrack_count
  told "a full connection table" conntrack-full "drops new connections" "sysctl net.netfilter.nf_conntrack_max"
  umount /proc/sys/net/netfilter/nf_conntrack_count
fi

echo "-- another program has the NFLOG group"
kill "$daemon_pid"
wait "$daemon_pid" || true
cat >"$work/take_group.py" <<'END'
import socket, struct, time
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
start_daemon
told "a taken group" nflog "another program has it" "drywall doctor names it"
kill "$taker"
wait "$taker" || true
mended "the end of that program"

echo "-- the daemon is gone"
kill -KILL "$daemon_pid"
wait "$daemon_pid" || true
for verb in status reload; do
  says 3 "drywalld does not answer" "systemctl start drywalld" drywall "$verb"
done
still_protected
start_daemon

echo "-- the bus is gone"
kill "$bus_pid"
wait "$bus_pid" || true
rm -f "$work/bus"
says 3 "there is no system bus" "systemctl start dbus" drywall status
still_protected
policy_denying "8080, 9090" | write_policy policy.yaml
expect_closed() { attempt client host tcp 9090 0.7 || [ $? != 1 ] || return 0 && return 1; }
eventually 8 expect_closed || fail "a change is not taken without a bus"
passed "changes of the directory are taken all the same"
policy_denying 8080 | write_policy policy.yaml
is_open() { attempt client host tcp 9090 0.7; }
eventually 8 is_open || fail "the other way round"
start_bus
eventually 10 daemon_answers || fail "the daemon does not find the new bus"
still_protected
