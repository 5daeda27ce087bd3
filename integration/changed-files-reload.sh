#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A policy file that is edited in place, replaced by rename, or deleted is taken up without being asked.
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 8001 8002
start_daemon
given_host_endpoint server if-client

deny_port() {
  cat <<END
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-one-port}
spec:
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [$1]}}, {action: Allow}]
END
}
generation=$(status_value generation)
generation_moves() { [ "$(status_value generation)" -gt "$generation" ]; }
expect_new_generation() {
  eventually 3 generation_moves || fail "$1: no new generation"
  generation=$(status_value generation)
  passed "$1: generation $generation"
}
only_8001_is_denied() { expect_denied client host tcp 8001 && expect_arrives client host tcp 8002; }
only_8002_is_denied() { expect_denied client host tcp 8002 && expect_arrives client host tcp 8001; }
nothing_is_denied() { expect_arrives client host tcp 8001 && expect_arrives client host tcp 8002; }

deny_port 8001 >"$policy_dir/deny.yaml"
expect_new_generation "a new file"
in_both_families only_8001_is_denied

sed -i.tmp 's/8001/8002/' "$policy_dir/deny.yaml" # writes another file and renames it
rm "$policy_dir/deny.yaml.tmp"
expect_new_generation "a file replaced by rename"
in_both_families only_8002_is_denied

deny_port 8001 >"$policy_dir/deny.yaml"
expect_new_generation "a file written over"
in_both_families only_8001_is_denied

rm "$policy_dir/deny.yaml"
expect_new_generation "a deleted file"
in_both_families nothing_is_denied
