#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The queue of file events overflows while the daemon is stopped, with events of no interest; then the link that the
# policy directory is comes to lead elsewhere. That event is lost, and what it was about is in force all the same.
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 8001 8002
deny_port() { # DIRECTORY PORT
  mkdir "$1"
  cat >"$1/all.yaml" <<END
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: host, labels: {role: server}}
spec: {node: host, interfaceName: if-client, profiles: [projectcalico-default-allow]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-one-port}
spec:
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [$2]}}, {action: Allow}]
END
}
mkdir "$work/places"
deny_port "$work/places/one" 8001
deny_port "$work/places/two" 8002
policy_dir=$work/places/current
ln -s one "$policy_dir"
start_daemon
only_8001_is_denied() { expect_denied client host tcp 8001 && expect_arrives client host tcp 8002; }
only_8002_is_denied() { expect_denied client host tcp 8002 && expect_arrives client host tcp 8001; }
in_both_families only_8001_is_denied
generation=$(status_value generation)

cat >"$work/overflow.py" <<'END'
# DIRECTORY COUNT: so many files there come and go that the daemon does not care for; no event is like the one before.
import os, sys
for i in range(int(sys.argv[2])):
    path = f"{sys.argv[1]}/other-{i % 7}"
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    os.unlink(path)
END
overflow() { python3 "$work/overflow.py" "$work/places" "$(cat /proc/sys/fs/inotify/max_queued_events)"; }

python3 "$work/overflow.py" "$work/places" 10
sleep 0.5
expect "events of no interest make no generation" test "$(status_value generation)" = "$generation"

kill -STOP "$daemon_pid"
overflow
ln -s two "$work/places/.next"
mv -T "$work/places/.next" "$policy_dir"
kill -CONT "$daemon_pid"
is_next() { [ "$(status_value generation)" -gt "$generation" ]; }
eventually 5 is_next || fail "the other directory is not taken up"
in_both_families only_8002_is_denied

# It goes on noticing.
generation=$(status_value generation)
sed -i 's/8002/8001/' "$policy_dir/all.yaml"
eventually 5 is_next || fail "after the overflow a change is not taken up"
in_both_families only_8001_is_denied
