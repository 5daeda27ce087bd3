#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Staged policies of several files become enforced in one step, in the files and in the kernel, or nothing changes; demote
# and rollback are the ways back.
. "$(dirname "$0")/lib.sh"

neighbour client 1
neighbour admin 2
serve host tcp 22 8080 9090
given_host_endpoint host "*"
write_policy staged.yaml <<'END'
# Of the web team.
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy   # observed since May
metadata:
  name: no-8080
spec:
  stagedAction: Set
  order: 10
  selector: role == 'host'
  types: [Ingress]
  ingress:
  - {action: Deny, protocol: TCP, destination: {ports: [8080]}}
  - action: Allow
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: no-9090}
spec: {order: 5, selector: role == 'host', types: [Ingress], ingress: [{action: Pass}]}
END
write_policy other.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: no-9090}
spec: {stagedAction: Set, order: 5, selector: role == 'host', types: [Ingress],
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [9090]}}]}
END
cp "$policy_dir/staged.yaml" "$work/staged.yaml"
cp "$policy_dir/other.yaml" "$work/other.yaml"
start_daemon
expect_arrives client host tcp 8080

# exits CODE COMMAND...: with what it says in $said.
exits() {
  local expected=$1 status=0
  shift
  "$@" >"$work/out" 2>"$work/err" || status=$?
  said=$(cat "$work/out" "$work/err")
  [ "$status" = "$expected" ] || fail "$* exits $status instead of $expected: $said"
  passed "$* exits $expected"
}
says() { grep -qF -- "$1" <<<"$said" || fail "it should say \"$1\": $said"; }
is_unchanged() {
  cmp -s "$work/staged.yaml" "$policy_dir/staged.yaml" && cmp -s "$work/other.yaml" "$policy_dir/other.yaml"
}
generation() { status_value generation; }

exits 1 drywall promote no-8080
says "not ready: "
says "--accept"
exits 2 drywall promote nothing-like-it --accept
says "there is no staged policy nothing-like-it"
exits 2 drywall demote no-8080
exits 0 drywall promote no-8080 no-9090 --accept --dry-run
says "would be changed"
exits 0 drywall promote no-8080 no-9090 --accept --print-patch
expect "a refused or a shown promotion changes nothing" is_unchanged
cp -r "$policy_dir" "$work/patched"
if command -v patch >/dev/null; then
  sed "s|$policy_dir/||" "$work/out" | patch --quiet -p0 --directory="$work/patched" || fail "patch does not take it"
fi

ln -s "$work/staged.yaml" "$policy_dir/link.yaml"
sed -i 's/no-8080/no-7070/; /^---/,$d' "$work/staged.yaml"
reload
exits 1 drywall promote no-7070 --accept
says "it is a link"
rm "$policy_dir/link.yaml"
cp "$policy_dir/staged.yaml" "$work/staged.yaml"
reload
if [ "$(id -u)" -eq 0 ] && chown 12345 "$policy_dir/other.yaml" 2>/dev/null; then
  exits 1 drywall promote no-9090 no-8080 --accept
  says "12345"
  chown 0 "$policy_dir/other.yaml"
fi
expect "what cannot be written everywhere is written nowhere" is_unchanged

before=$(generation)
chmod 0640 "$policy_dir/other.yaml"
exits 0 drywall promote no-8080 no-9090 --accept
expect "two policies of two files are one generation" test "$(generation)" = $((before + 1))
if command -v patch >/dev/null; then
  expect "the patch says what promote does" diff -r "$policy_dir" "$work/patched"
fi
expect "the mode of a file stays" test "$(stat -c %a "$policy_dir/other.yaml")" = 640
expect "comments stay" grep -q '^kind: GlobalNetworkPolicy   # observed since May$' "$policy_dir/staged.yaml"
expect "an enforced policy that is replaced is gone" test "$(grep -c no-9090 "$policy_dir/staged.yaml")" = 0
in_both_families expect_denied client host tcp 8080
in_both_families expect_denied client host tcp 9090

exits 0 drywall rollback
expect "rollback brings the files back" is_unchanged
expect_arrives client host tcp 8080
exits 0 drywall rollback
expect_denied client host tcp 8080
exits 0 drywall demote no-8080 no-9090
expect_arrives client host tcp 8080

echo "# edited by hand" >>"$policy_dir/other.yaml"
given more.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: no-22}
spec: {order: 1, selector: role == 'host', types: [Ingress], ingress: [{action: Allow, protocol: TCP, source: {nets: [10.77.2.0/24]}}]}
END
exits 0 drywall rollback
expect "rollback takes back what was edited by hand too" test ! -e "$policy_dir/more.yaml"
echo "kind: Broken" >"$policy_dir/broken.yaml"
exits 1 drywall rollback
says broken.yaml
exits 1 drywall promote no-8080 --accept
says "mend them first"
exits 0 drywall rollback --force
expect "a forced rollback takes it away" test ! -e "$policy_dir/broken.yaml"
exits 0 drywall recover
says "every edit of the policy directory has ended"
