#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the host sends to a group or by broadcast comes back to it, from outside as it seems: that copy is not judged
# again. A packet that only pretends to be such a copy is judged as what it is.
. "${0%/*}/lib.sh"

neighbour peer 1
cat >"$work/drywall.yaml" <<END
failsafe_inbound: none
failsafe_outbound: none
END
start_daemon --config "$work/drywall.yaml"
link() { python3 "$integration/link.py" "$@"; }
not() { ! "$@"; }

policy_of() { # FIELDS: of a spec: untracked policy, or not
  given nothing-in.yaml <<END
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: nothing-in}
spec: {selector: role == 'server', types: [Ingress, Egress], $1
  ingress: [{action: Deny}],
  egress: [{action: Allow, protocol: UDP, destination: {ports: [5353]}}]}
END
}

only_own_copies_come_in() { # PORT of the pretended ones, another one each time
  local source listening to
  # A source address that no copy can have, first: or the test shows only that nothing arrives.
  for source in fd77:1::2 fd77:1::1; do
    link listen "$1" 1 "$work/listening-$1-$source" &
    listening=$!
    eventually 5 test -e "$work/listening-$1-$source" || fail "nobody listens"
    in_namespace peer python3 "$integration/link.py" pretend eth0 "$source" ff02::1 "$1"
    expect "a datagram from outside to a group, from $source as it says, is denied" not wait "$listening"
    expect_flow reporter=dst action=deny source="$source" protocol=udp port="$1" \
      enforced="GlobalNetworkPolicy nothing-in 0 deny"
  done
  for to in 239.77.0.2 ff02::7778 10.77.1.255 255.255.255.255; do
    expect "the host hears what it sends to $to" link echo_to_self if-peer "$to" 5353 2
  done
  expect_no_flow action=deny protocol=udp port=5353
}

given_host_endpoint server if-peer ""
policy_of ""
only_own_copies_come_in 9000

given_host_endpoint server if-peer # what untracked policy does not deny is allowed
policy_of "doNotTrack: true, applyOnForward: true,"
only_own_copies_come_in 9001
