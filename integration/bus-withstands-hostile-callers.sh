#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Under the bus policy that is installed: every argument that is no argument ends in an error with the right name, and the
# daemon lives; another user may read everything and change nothing, unless polkit says so.
. "${0%/*}/lib.sh"

packaging=$integration/../packaging

# As the system's bus is: nothing may be called but what somebody allows.
start_bus() {
  export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$work/bus
  mkdir -p "$work/system.d"
  cp "$packaging/org.drywall1.conf" "$work/system.d/"
  cp /usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf "$work/system.d/" 2>/dev/null || true
  cat >"$work/bus.conf" <<END
<busconfig>
  <type>system</type>
  <listen>$DBUS_SYSTEM_BUS_ADDRESS</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <includedir>$work/system.d</includedir>
</busconfig>
END
  dbus-daemon --config-file="$work/bus.conf" --nofork --nopidfile --nosyslog 2>"$work/bus.log" &
  eventually 10 test -S "$work/bus" || fail "the bus did not start: $(cat "$work/bus.log")"
}

neighbour client 1
serve host tcp 8080 9090
start_daemon
given_host_endpoint server if-client
given policies.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: closed}
spec:
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [8080]}}, {action: Allow}]
END
strange=$'not-\xff-utf-8.yaml'
sed 's/name: closed/name: other/' "$policy_dir/policies.yaml" | write_policy "$strange"
reload

/usr/bin/python3 -B "$integration/bus_hostile.py" || fail "hostile calls"
expect "the daemon that began still lives" kill -0 "$daemon_pid"
expect_denied client host tcp 8080
expect_arrives client host tcp 9090
drywall policies --wide >"$work/out" || fail "drywall policies"
expect "a file's name that is not UTF-8 is told" grep -q "not-.*-utf-8.yaml:1" "$work/out"

if ! setpriv --reuid 65534 --clear-groups true 2>/dev/null; then
  echo "not shown: what another user may (this namespace has only one)"
  exit 0
fi
as_other() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
ask() { as_other busctl call org.drywall1 /org/drywall1 "$@" >"$work/out" 2>"$work/err"; }
reads() { ask "$@" || fail "another user may not $*: $(cat "$work/err")"; }
refused() { # TEXT COMMAND...
  local text=$1
  shift
  "$@" && fail "another user may $*"
  grep -q "$text" "$work/err" || fail "$* is not refused with \"$text\": $(cat "$work/err")"
}
generation=$(status_value generation)
reads org.drywall1.Manager Status
reads org.drywall1.Manager Policies
reads org.drywall1.Manager Render s ""
reads org.drywall1.Manager Preview 'asa{ss}' 0 0
reads org.drywall1.Flows List 'a{ss}uu' 0 0 0
reads org.drywall1.Flows Statistics
reads org.freedesktop.DBus.Introspectable Introspect
reads org.freedesktop.DBus.ObjectManager GetManagedObjects
reads org.freedesktop.DBus.Properties GetAll s org.drywall1.Manager
reads org.freedesktop.DBus.Peer Ping
for verb in status policies flows render; do
  as_other "$build/drywall" "$verb" >/dev/null 2>"$work/err" || fail "another user may not drywall $verb: $(cat "$work/err")"
done
passed "another user reads"

reload_as_other() { as_other "$build/drywall" reload >"$work/out" 2>"$work/err"; }
own_name() {
  as_other dbus-send --system --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.RequestName \
    string:org.drywall1 uint32:2 >"$work/out" 2>"$work/err"
}
refused "Access denied" ask org.drywall1.Frobnicator Reload
refused "AccessDenied" own_name
echo 'kind: nothing' | write_policy broken.yaml
rm "$policy_dir/broken.yaml"
refused "Access denied" ask org.drywall1.Manager Reload
refused "not authorised: .*polkit does not answer.*sudo" reload_as_other
passed "and without polkit changes nothing"

if [ ! -x /usr/lib/polkit-1/polkitd ]; then
  echo "not shown: what polkit grants (polkitd is not installed)"
  exit 0
fi
mkdir "$work/actions" "$work/rules" "$work/no-rules"
cp "$packaging/org.drywall1.policy" "$work/actions/"
mount --bind "$work/actions" /usr/share/polkit-1/actions
mount --bind "$work/rules" /usr/share/polkit-1/rules.d
mount --bind "$work/no-rules" /etc/polkit-1/rules.d
polkit_answers() { busctl status org.freedesktop.PolicyKit1 >/dev/null 2>&1; }
start_polkit() {
  /usr/lib/polkit-1/polkitd --no-debug >>"$work/polkit.log" 2>&1 &
  polkit_pid=$!
  eventually 20 polkit_answers || fail "polkit did not start: $(cat "$work/polkit.log")"
}
start_polkit
refused "Access denied" ask org.drywall1.Manager Reload
refused "not authorised: .*org.drywall1.reload is not granted.*sudo" reload_as_other
expect "the generation is what it was" test "$(status_value generation)" = "$generation"
expect "root may all the same" drywall reload
passed "with polkit, what its defaults do not grant is refused"

kill "$polkit_pid"
wait "$polkit_pid" 2>/dev/null || true
cat >"$work/rules/50-drywall.rules" <<'END'
polkit.addRule(function(action, subject) {
  if (action.id == "org.drywall1.reload" && subject.user == "nobody") return polkit.Result.YES;
});
END
start_polkit
reads org.drywall1.Manager Reload
passed "what a rule of polkit grants is done"
refused "Access denied" ask org.drywall1.Manager Promote 'asa{ss}' 1 any 1 accept true
passed "and nothing else"
