#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What `drywall promote`, `demote`, `rollback` and `confirm` do, asked for over D-Bus: drywalld does not write the policy
# directory itself, the helper does; whoever may not gets nothing, and a helper that is not there or talks nonsense
# changes nothing.
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 8080
start_daemon
given_host_endpoint host if-client
given web.yaml <<'END_OF_POLICY'
# stays
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: no-8080}
spec:
  selector: role == 'host'
  types: [Ingress]
  ingress:
  - {action: Deny, protocol: TCP, destination: {ports: [8080]}}
  - action: Allow
END_OF_POLICY
cp "$policy_dir/web.yaml" "$work/web.yaml"

manager() { # METHOD SIGNATURE ARGUMENT...
  busctl --json=short -- call org.drywall1 /org/drywall1 org.drywall1.Manager "$@" >"$work/out" 2>"$work/err"
}
does() { manager "$@" || fail "$*: $(cat "$work/err")"; }
refused() { # PATTERN METHOD SIGNATURE ARGUMENT...
  local pattern=$1
  shift
  if manager "$@"; then fail "$* should be refused: $(cat "$work/out")"; fi
  grep -q -- "$pattern" "$work/err" || fail "$* is refused otherwise: $(cat "$work/err")"
  cmp -s "${unchanged:-$work/web.yaml}" "$policy_dir/web.yaml" || fail "$* is refused, and changed the file"
  passed "$1 is refused: $(head -n 1 "$work/err" | cut -c 1-120)"
}

refused 'nobody listens at .*drywall-edit.socket' Promote 'asa{ss}' 1 no-8080 1 accept true
nonsense() { # ANSWER: a helper that says so
  python3 - "$work/runtime/edit.socket" "$1" <<'END_OF_HELPER' &
import os, socket, sys
with socket.socket(socket.AF_UNIX) as listening:
    listening.bind(sys.argv[1])
    listening.listen()
    connection, _ = listening.accept()
    while connection.recv(65536): pass
    os.unlink(sys.argv[1])
    connection.sendall(sys.argv[2].encode())
END_OF_HELPER
  helper=$!
  eventually 10 test -S "$work/runtime/edit.socket"
  refused 'did not say what became of the edit' Promote 'asa{ss}' 1 no-8080 1 accept true
  wait "$helper"
}
nonsense ''
nonsense 'nonsense'
nonsense '{"exit":"0"}'
nonsense '{"exit":0,"messages":7}'

start_edit_helper
refused 'Call failed: .*' Promote 'asa{ss}' 1 no-8080 0
refused 'there is no edit\|takes no option' Promote 'asa{ss}' 1 no-8080 1 force true
refused 'takes no option policy_dir' Promote 'asa{ss}' 1 no-8080 1 policy_dir /
refused '"true" or not given' Promote 'asa{ss}' 1 no-8080 1 accept 1
refused 'takes policies' Promote 'asa{ss}' 0 0
refused 'expected a time' Promote 'asa{ss}' 1 no-8080 2 accept true confirm never
refused 'unknown\|no staged' Promote 'asa{ss}' 1 --accept-lockout 1 accept true
refused 'unknown\|no staged' Promote 'asa{ss}' 2 no-8080 other 1 accept true
does Promote 'asa{ss}' 1 no-8080 2 accept true dry_run true
cmp -s "$work/web.yaml" "$policy_dir/web.yaml" || fail "a dry run changed the file"
passed "a dry run tells what would change: $(cut -c 1-100 "$work/out")"
expect_arrives client host tcp 8080

does Promote 'asa{ss}' 1 no-8080 2 accept true confirm 60s
expect_denied client host tcp 8080
expect "only the kind was changed" test "$(diff "$work/web.yaml" "$policy_dir/web.yaml" | grep -c '^>')" = 1
expect "the answer has the deadline" grep -q deadline "$work/out"
expect "the record says who" test "$(status_value confirm.by)" = "root over D-Bus"
cp "$policy_dir/web.yaml" "$work/promoted.yaml"
unchanged=$work/promoted.yaml
refused 'waits to be confirmed' Promote 'asa{ss}' 1 no-8080 1 accept true
refused 'not confirmed' Confirm 'a{ss}' 0
does Confirm 'a{ss}' 1 extend 2m
does Confirm 'a{ss}' 1 accept_old_session true
expect "nothing waits any more" test "$(status_value confirm)" = null

does Rollback 'a{ss}' 0
expect "rollback restores the file" cmp "$work/web.yaml" "$policy_dir/web.yaml"
expect_arrives client host tcp 8080
does Rollback 'a{ss}' 0
expect_denied client host tcp 8080
does Demote 'asa{ss}' 1 no-8080 0
expect "demote restores the file" cmp "$work/web.yaml" "$policy_dir/web.yaml"
expect_arrives client host tcp 8080

setpriv --reuid 65534 --clear-groups true 2>/dev/null || {
  echo "not shown: what another user may (this namespace has only one)"
  exit 0
}
unchanged=$work/web.yaml
manager() {
  setpriv --reuid 65534 --regid 65534 --clear-groups \
    busctl --json=short -- call org.drywall1 /org/drywall1 org.drywall1.Manager "$@" >"$work/out" 2>"$work/err"
}
for method in Promote Demote; do refused 'Access denied' "$method" 'asa{ss}' 1 no-8080 1 accept true; done
for method in Rollback Confirm; do refused 'Access denied' "$method" 'a{ss}' 0; done
