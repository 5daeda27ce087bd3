#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `drywalld --once` puts the directory in force and ends, staged policies or not. As root, where the state directory is
# another user's, it leaves nothing there that this user's drywalld could not read and replace.
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 8080
given_host_endpoint host "*"
write_policy web.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: web}
spec:
  selector: role == 'host'
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [8080]}}, {action: Allow}]
---
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: closed}
spec: {selector: role == 'host', order: 1, types: [Ingress], ingress: [{action: Deny}]}
END
config=$work/drywall.yaml
once() {
  "$build/drywalld" --policy-dir "$policy_dir" --state-dir "$work/state" --runtime-dir "$work/runtime" --node host \
    --config "$config" --once >"$work/once.log" 2>&1
}

for own_tables in no auto; do
  echo "own_tables: $own_tables" >"$config"
  once || fail "own_tables: $own_tables: it exits $?: $(cat "$work/once.log")"
  passed "own_tables: $own_tables: it comes to its end"
  expect_denied client host tcp 8080
  once || fail "own_tables: $own_tables: the second time it exits $?: $(cat "$work/once.log")"
  expect "own_tables: $own_tables: the second time it finds all in force" grep -q 'in the kernel already' "$work/once.log"
  nft list table ip drywall >/dev/null || fail "the rules are gone"
done

# As the package has it: the state is a user's of its own.
setpriv --reuid 65534 --regid 65534 --clear-groups true 2>/dev/null ||
  { echo "only root with other users can show the rest" && exit 77; }
chmod -R go+rX "$work"
chown -R 65534:65534 "$work/state" "$work/runtime"
chmod 0700 "$work/state"
sed -i 's/8080/8081/' "$policy_dir/web.yaml"
once || fail "it exits $?: $(cat "$work/once.log")"
strangers() { find "$work/state" "$work/runtime" ! -uid 65534; }
expect "nothing that it leaves is root's" test -z "$(strangers)"
expect_arrives client host tcp 8080
sed -i 's/8081/8080/' "$policy_dir/web.yaml"
setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps +net_admin --ambient-caps +net_admin -- "$build/drywalld" \
  --policy-dir "$policy_dir" --state-dir "$work/state" --runtime-dir "$work/runtime" --node host --config "$config" \
  --once >"$work/once.log" 2>&1 || fail "as that user it exits $?: $(cat "$work/once.log")"
expect "that user's drywalld goes on from there" grep -q 'is in force.*web.yaml changed' "$work/once.log"
expect_denied client host tcp 8080
