#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Over a real sshd: a promotion that would cut new logins is refused; forced, it is rolled back by itself. Confirming over
# the old connection, which goes on whatever the policy says, is refused; over a new one it is accepted.
. "$(dirname "$0")/lib.sh"

sshd=$(command -v sshd || true)
[ -n "$sshd" ] && command -v ssh >/dev/null || { echo "openssh-server is not installed" && exit 77; }
[ "$(id -u)" -eq 0 ] && [ "$(awk '{print $3; exit}' /proc/self/uid_map)" != 1 ] || { echo "sshd needs root and its users" && exit 77; }

neighbour client 1
given_host_endpoint host "*"
write_policy ssh.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: no-ssh}
spec:
  selector: role == 'host'
  types: [Ingress]
  ingress:
  - {action: Deny, protocol: TCP, destination: {ports: [2222]}}
  - action: Allow
---
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: ssh}
spec: {order: 1, selector: role == 'host', types: [Ingress], ingress: [{action: Allow}]}
END
cp "$policy_dir/ssh.yaml" "$work/ssh.yaml"
start_daemon

mkdir -p /run/sshd "$work/ssh"
ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/host"
ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/client"
cat >"$work/ssh/config" <<END
Port 2222
HostKey $work/ssh/host
AuthorizedKeysFile $work/ssh/client.pub
PermitRootLogin yes
StrictModes no
UsePAM no
PidFile none
LogLevel ERROR
PrintLastLog no
END
log_in() {
  in_namespace client ssh -q -F none -p 2222 -i "$work/ssh/client" -o BatchMode=yes -o StrictHostKeyChecking=no \
    -o UserKnownHostsFile=/dev/null -o ConnectTimeout="${patience:-5}" root@10.77.1.1 \
    "DBUS_SYSTEM_BUS_ADDRESS=$DBUS_SYSTEM_BUS_ADDRESS $*" </dev/null
}
can_log_in() { patience=1 log_in true; }
"$sshd" -D -f "$work/ssh/config" >"$work/ssh/log" 2>&1 &
eventually 10 can_log_in || fail "sshd does not answer: $(cat "$work/ssh/log")"

is_as_before() { cmp -s "$work/ssh.yaml" "$policy_dir/ssh.yaml"; }

# A session that stays: what is written to it runs there.
mkfifo "$work/ssh/in"
in_namespace client ssh -q -F none -p 2222 -i "$work/ssh/client" -o BatchMode=yes -o StrictHostKeyChecking=no \
  -o UserKnownHostsFile=/dev/null root@10.77.1.1 \
  "DBUS_SYSTEM_BUS_ADDRESS=$DBUS_SYSTEM_BUS_ADDRESS bash" <"$work/ssh/in" >>"$work/ssh/out" 2>&1 &
exec 7>"$work/ssh/in"
said_last() { grep -q '^STATUS ' "$work/ssh/out"; }
# in_old_session COMMAND...: its exit status, and what it says in $said.
in_old_session() {
  local status
  : >"$work/ssh/out"
  echo "$*; echo STATUS \$?" >&7
  eventually 20 said_last || fail "the old session does not answer: $(cat "$work/ssh/out")"
  said=$(cat "$work/ssh/out")
  status=$(sed -n 's/^STATUS //p' "$work/ssh/out")
  return "$status"
}
in_old_session true || fail "there is no old session"

if in_old_session "$build/drywall" promote no-ssh --accept; then fail "a lockout should be refused"; fi
grep -q 'a new connection like yours, from 10.77.1.2 to 10.77.1.1 port 2222, would be denied' <<<"$said" || fail "$said"
passed "a promotion that cuts new logins is refused"
expect "nothing was changed" is_as_before

in_old_session "$build/drywall" promote no-ssh --accept --accept-lockout --confirm 5s || fail "$said"
if can_log_in; then fail "a new login should be cut"; fi
passed "forced, it cuts new logins, and the old connection goes on"
if in_old_session "$build/drywall" confirm; then fail "the old session proves nothing"; fi
grep -q 'older than the change' <<<"$said" || fail "$said"
passed "the old session cannot confirm it"
expect "it is rolled back by itself" eventually 10 is_as_before
expect "and one can log in again" eventually 10 can_log_in

in_old_session "$build/drywall" promote no-ssh --accept --accept-lockout --confirm 5s || fail "$said"
kill -KILL "$daemon_pid"
wait "$daemon_pid" 2>/dev/null || true
expect "with drywalld killed it is rolled back too" eventually 12 is_as_before
expect "and one can log in again without drywalld" eventually 10 can_log_in

# From here on the host endpoint is in the daemon's configuration alone.
rm "$policy_dir/endpoint-host.yaml"
printf 'host_endpoint: auto\nlabels: {role: host}\n' >"$work/drywall.yaml"
start_daemon --config "$work/drywall.yaml"
if in_old_session "$build/drywall" promote no-ssh --accept; then fail "a lockout should be refused"; fi
grep -q 'a new connection like yours, from 10.77.1.2 to 10.77.1.1 port 2222, would be denied' <<<"$said" || fail "$said"
passed "a lockout is seen with host_endpoint: auto too"

in_old_session "$build/drywall" promote ssh --accept --confirm 2m || fail "$said"
if in_old_session "$build/drywall" confirm; then fail "the old session proves nothing"; fi
passed "the old session cannot confirm what cuts nobody either"
log_in "$build/drywall" confirm >"$work/out" 2>&1 || fail "$(cat "$work/out")"
passed "a new login confirms it: $(cat "$work/out")"
expect "it waits no more" test "$(status_value confirm)" = null
