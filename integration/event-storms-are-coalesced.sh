#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Thousands of changes of files, interfaces and tables a second, all at once: the daemon makes few generations of them,
# answers meanwhile, and in the end what each last change says is in force. SECONDS: DRYWALL_STORM, default 3.
# alone: it counts what comes in a time.
. "${0%/*}/lib.sh"

seconds=${DRYWALL_STORM:-3}
neighbour client 1
neighbour other 2
serve host tcp 8001 8002
deny_port() {
  cat <<END
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: by-address, labels: {role: server}}
spec: {node: host, expectedIPs: [10.88.0.1], profiles: [projectcalico-default-allow]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-one-port}
spec:
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [$1]}}, {action: Allow}]
END
}
ip addr add 10.88.0.1/32 dev if-client
ip link add busy type veth peer name busy-peer
nft add table ip others
nft add set ip others many '{ type ipv4_addr; }'
deny_port 8001 >"$policy_dir/all.yaml"
start_daemon
governs() { [[ $(status_value endpoints.0.interfaces) = "$1" ]]; }
expect "the endpoint is on the interface of its address" governs '["if-client"]'
in_both_families expect_denied client host tcp 8001

cat >"$work/files.py" <<'END'
# DIRECTORY SECONDS: writes, renames and removes files of policies there; prints how many times.
import os, sys, time
directory, until, changes = sys.argv[1], time.monotonic() + float(sys.argv[2]), 0
while time.monotonic() < until:
    path = f"{directory}/busy-{changes % 50}.yaml"
    with open(path + ".new", "w") as f:
        f.write("apiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\n"
                f"metadata: {{name: busy-{changes % 50}}}\nspec: {{nets: [192.0.2.{changes % 256}/32]}}\n")
    os.rename(path + ".new", path)
    if changes % 3 == 0:
        os.unlink(path)
    changes += 1
print(changes)
END
cat >"$work/repeat.py" <<'END'
# SECONDS CHANGES COMMAND...: the command again and again, each so many changes; prints how many.
import subprocess, sys, time
until, changes = time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < until:
    subprocess.run(sys.argv[3:], check=True, stdout=subprocess.DEVNULL)
    changes += int(sys.argv[2])
print(changes)
END
for number in $(seq 100); do
  echo "addr add 10.89.0.$number/32 dev busy"
  echo "addr del 10.89.0.$number/32 dev busy"
done >"$work/busy-interface"
python3 -c '
elements = ", ".join(f"10.0.{i}.1" for i in range(200))
print("add element ip others many {", elements, "}\nflush set ip others many")' >"$work/busy-table"

generation=$(status_value generation)
storms=()
python3 "$work/files.py" "$policy_dir" "$seconds" >"$work/files" &
storms+=($!)
python3 "$work/repeat.py" "$seconds" 200 ip -batch "$work/busy-interface" >"$work/interfaces" &
storms+=($!)
python3 "$work/repeat.py" "$seconds" 400 nft -f "$work/busy-table" >"$work/elements" &
storms+=($!)
sleep "$((seconds / 2))"
begin=$(date +%s%N)
status_value state >/dev/null || fail "the daemon does not answer in the middle of it"
answered=$((($(date +%s%N) - begin) / 1000000))
for storm in "${storms[@]}"; do wait "$storm" || fail "a storm did not come to its end"; done

# The last change of each kind.
nft delete table ip6 drywall
rm -f "$policy_dir"/busy-*
deny_port 8002 >"$work/new-policy"
mv "$work/new-policy" "$policy_dir/all.yaml"
ip addr del 10.88.0.1/32 dev if-client
ip addr add 10.88.0.1/32 dev if-other
begin=$(date +%s%N)
eventually 5 governs '["if-other"]' || fail "the endpoint did not follow its address: $(status_value endpoints)"
is_all_in_force() { nft list table ip drywall | grep -q 8002 && nft list table ip6 drywall 2>/dev/null | grep -q 8002; }
eventually 5 is_all_in_force || fail "the last file, or the deleted table, is not in force"
quiet=$((($(date +%s%N) - begin) / 1000000))
generations=$(($(status_value generation) - generation))
changes=$(($(cat "$work/files") + $(cat "$work/interfaces") + $(cat "$work/elements")))
echo "measured: in $seconds s $(cat "$work/files") changes of files, $(cat "$work/interfaces") of addresses," \
  "$(cat "$work/elements") of other tables: $generations generations; answered after $answered ms," \
  "all in force $quiet ms after the last"
expect "far fewer generations than changes" test "$generations" -lt $((changes / 10))
expect "the kernel holds what the daemon says" test "$(status_value kernel.in_sync)" = true
expect "the daemon is well" test "$(status_value state)" = enforcing
only_8002_is_denied() { expect_denied other host tcp 8002 && expect_arrives other host tcp 8001 && expect_arrives client host tcp 8002; }
in_both_families only_8002_is_denied
