#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `drywall init` writes drywall.yaml and one staged policy made of what listens now. They load without a mistake, deny
# nothing, and record what would be denied. It changes nothing that it did not write, and a second run does nothing.
. "${0%/*}/lib.sh"

expect_exit() { # CODE COMMAND...
  local wanted=$1 got=0
  shift
  "$@" >"$work/out" 2>"$work/err" </dev/null || got=$?
  [ "$got" = "$wanted" ] || fail "$* exits $got instead of $wanted: $(cat "$work/out" "$work/err")"
  passed "$* exits $wanted"
}
unset SSH_CONNECTION
root=$work/root
init() { drywall init --root "$root" --ssh-port 2222 "$@"; }
tree() { (cd "$root" && find . -type f -print0 | sort -z | xargs -0 --no-run-if-empty sha256sum); }

neighbour client 1
serve host tcp 8080
serve host udp 5353
python3 -c 'import socket, time
sockets = [socket.create_server(("127.0.0.1", 7777))]
time.sleep(60)' &

# It says what it would do, and does nothing unless it is told to.
expect_exit 0 init --dry-run
expect "a dry run writes nothing" test "$(tree)" = ""
expect_exit 2 init
expect "without --yes it writes nothing" test "$(tree)" = ""
expect_exit 2 init --yes --label nonsense

expect_exit 0 init --yes --label role=web
written=$(tree)
expect "it writes two files" test "$(wc -l <<<"$written")" = 2
config=$root/etc/drywall/drywall.yaml policy=$root/etc/drywall/policy.d/host-services.yaml
expect "sshd's port is a failsafe" grep -qx 'failsafe_inbound: \["tcp:2222", "udp:68", "udp:546"\]' "$config"
expect "the policy is staged" grep -qx 'kind: StagedGlobalNetworkPolicy' "$policy"
expect "it allows what listens" sh -c 'grep -q "ports: \[8080\]" "$0" && grep -q "ports: \[5353\]" "$0"' "$policy"
expect "and not what only loopback reaches" sh -c '! grep -q 7777 "$0"' "$policy"
expect_exit 0 drywall check --strict "$root/etc/drywall/policy.d"
expect_exit 0 init --yes
expect "a second run does nothing" test "$(tree)" = "$written"
expect "and says so" grep -q 'nothing to do' "$work/err"
expect_exit 0 init --yes --label role=other -o json
expect "not with other labels either" test "$(tree)" = "$written"
expect "its JSON says why" sh -c 'python3 -c "import json, sys
d = json.load(sys.stdin)
assert [f[\"action\"] for f in d[\"files\"]] == [\"leave\", \"leave\"], d
assert {\"protocol\": \"tcp\", \"port\": 8080, \"program\": \"python3\"} in d[\"ports\"], d" <"$0"' "$work/out"

# In force: nothing is denied, and what would be is recorded.
serve host tcp 9090
policy_dir=$root/etc/drywall/policy.d
start_daemon --config "$config"
expect "the endpoint is there" test "$(status_value endpoints.0.name)" = host-auto
expect "without a mistake" test "$(status_value diagnostics)" = '[]'
everything_arrives() {
  expect_arrives client host tcp 8080
  expect_arrives client host tcp 9090
}
in_both_families everything_arrives
expect_flow port=8080 pending=would-allow action=allow
expect_flow port=9090 pending=would-deny action=allow

# What others wrote stays as it is.
rm -r "${root:?}/etc"
mkdir -p "$root/etc/drywall"
printf '# nothing yet\n#node: web1\n' >"$config"
expect_exit 0 init --yes
expect "a file of comments keeps its lines" sh -c 'head -n 2 "$0" | cmp -s - "$1"' "$config" <(printf '# nothing yet\n#node: web1\n')
expect "and gets the keys" grep -qx 'host_endpoint: auto' "$config"
expect_exit 0 init --yes
printf 'watch: false\n' >"$config"
rm "$policy"
before=$(tree)
expect_exit 1 init --yes
expect "a file with keys is not changed, and it says what to add" grep -q 'add "host_endpoint: auto"' "$work/err"
expect "nor anything else" test "$(tree)" = "$before"
rm "$config"
cat >"$policy" <<'END'
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: all}
spec: {node: web1, interfaceName: "*"}
END
printf 'node: web1\nhost_endpoint: auto\n' >"$config"
before=$(tree)
expect_exit 1 init --yes
expect "an endpoint of all interfaces that is there already" grep -q 'host-services.yaml:.*auto' "$work/err"
echo 'kind: nothing' >"$policy"
expect_exit 1 init --yes
expect "a directory with mistakes" grep -q 'has mistakes' "$work/err"
rm -r "${root:?}/etc"

if setpriv --reuid 65534 --clear-groups true 2>/dev/null; then
  expect_exit 4 setpriv --reuid 65534 --clear-groups "$build/drywall" init --root "$root" --yes
fi
SSH_CONNECTION="10.0.0.1 1234 10.0.0.2 4711" expect_exit 0 drywall init --root "$root" --dry-run --ssh-port 22
expect "the port of this very session is a failsafe" grep -q 'failsafe in .*tcp:22, tcp:4711,' "$work/out"
