#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The policies of the mission's two documents load unchanged and mean on the kernel what the documents say.
. "${0%/*}/lib.sh"

policies=$integration/policies
from_document() { given "$1" <"$policies/$1"; }

neighbour frontend 1
neighbour database 2
neighbour other 3
serve database tcp 6379 8080
serve other tcp 5978
start_daemon
workload() { # NAME NAMESPACE LABELS
  given_workload "$1" "$2"
  sed -i "s/labels: {.*}/labels: {$3}/" "$policy_dir/workload-$1.yaml"
}

echo "-- staged-global.yaml and staged-network.yaml: only the frontend would reach the database, on 6379"
workload frontend default "role: frontend"
workload database default "role: database"
workload other default "role: other"
reload
allow_6379() { # KIND NAME
  for from in frontend other; do
    expect_arrives "$from" database tcp 6379
  done
  expect_arrives frontend database tcp 8080
  expect_flow reporter=dst action=allow pending=would-allow source=frontend destination=database port=6379 \
    enforced="Profile kns.default 0 allow" staged="$1 $2 0 allow"
  expect_flow reporter=dst action=allow pending=would-deny source=other destination=database port=6379 \
    staged="$1 $2 -1 deny"
  expect_flow reporter=dst action=allow pending=would-deny source=frontend destination=database port=8080 \
    staged="$1 $2 -1 deny"
}
from_document staged-global.yaml
in_both_families allow_6379 StagedGlobalNetworkPolicy default.allow-tcp-6379
rm "$policy_dir/staged-global.yaml" "$policy_dir/namespace-default.yaml" # that document brings the namespace itself
from_document staged-network.yaml
in_both_families allow_6379 StagedNetworkPolicy default/default.allow-tcp-6379
rm "$policy_dir/staged-network.yaml"

echo "-- staged-kubernetes.yaml: the database would be reached by the frontend on 6379 and reach 10.0.0.0/24 on 5978"
write_policy namespace-default.yaml <<'END'
apiVersion: v1
kind: Namespace
metadata: {name: default}
END
workload database default "role: db"
from_document staged-kubernetes.yaml
kubernetes() {
  expect_arrives frontend database tcp 6379
  expect_arrives other database tcp 6379
  expect_arrives database other tcp 5978
  expect_flow reporter=dst action=allow pending=would-allow source=frontend destination=database port=6379 \
    staged="StagedKubernetesNetworkPolicy default/test-network-policy 2 allow"
  expect_flow reporter=dst action=allow pending=would-deny source=other destination=database port=6379 \
    staged="StagedKubernetesNetworkPolicy default/test-network-policy -1 deny"
  expect_flow reporter=src action=allow pending=would-deny source=database destination=other port=5978 \
    staged="StagedKubernetesNetworkPolicy default/test-network-policy -1 deny"
}
in_both_families kubernetes
rm "$policy_dir/staged-kubernetes.yaml"

echo "-- safe-mode.yaml: evaluated last, it catches what nothing else decided"
given lockdown.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: lockdown}
spec:
  order: 1
  selector: role == 'db'
  types: [Ingress]
  ingress: [{action: Deny, source: {selector: role == 'other'}}]
END
locked_down() {
  expect_denied frontend database tcp 6379
  expect_denied other database tcp 6379
}
in_both_families locked_down
from_document safe-mode.yaml
net_in_place() {
  expect_arrives frontend database tcp 6379
  expect_flow reporter=dst action=allow source=frontend destination=database port=6379 \
    enforced="GlobalNetworkPolicy zzz-final-allow-everything 0 allow"
  expect_denied other database tcp 6379
}
in_both_families net_in_place
