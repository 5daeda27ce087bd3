#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A host endpoint that is found by its address moves with the address, one that is found by its interface waits for it,
# and neither makes the daemon read files that somebody is still writing.
# alone: it measures how soon.
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 8080
given by-address.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: by-address, labels: {role: host}}
spec: {node: host, expectedIPs: [10.77.1.1, "fd77:1::1"]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: nothing}
spec: {selector: role == 'host', types: [Ingress], ingress: []}
END
start_daemon
governs() { [[ $(status_value endpoints.0.interfaces) = "$1" ]]; }

expect "the endpoint is on the interface of its address" governs '["if-client"]'
in_both_families expect_denied client host tcp 8080

echo "not: [yaml" >"$policy_dir/half-written.yaml"
eventually 5 eval '[ "$(status_value state)" = degraded ]' || fail "a broken file is not noticed"
ip link add spare type veth peer name spare-peer
ip link set spare up
ip addr del 10.77.1.1/24 dev if-client
ip addr del fd77:1::1/64 dev if-client
begin=$(date +%s%N)
ip addr add 10.77.1.1/24 dev spare
eventually 2 governs '["spare"]' || fail "the endpoint did not follow its address: $(status_value endpoints)"
echo "measured: an address that moved was followed within $((($(date +%s%N) - begin) / 1000000)) ms, the asking included"
passed "the endpoint follows its address, with a broken file in the directory"
[ "$(status_value state)" = degraded ] || fail "the broken file is forgotten"
passed "the broken file is still told"

ip addr del 10.77.1.1/24 dev spare
ip addr add 10.77.1.1/24 dev if-client
ip addr add fd77:1::1/64 dev if-client nodad
eventually 2 governs '["if-client"]' || fail "the endpoint did not come back: $(status_value endpoints)"
in_both_families expect_denied client host tcp 8080
rm "$policy_dir/half-written.yaml"
eventually 5 eval '[ "$(status_value state)" = enforcing ]' || fail "a mended directory is not noticed"

# An interface that does not exist yet is governed from its first packet.
given by-name.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: by-name, labels: {role: host}}
spec: {node: host, interfaceName: if-late}
END
neighbour late 2
in_both_families expect_denied late host tcp 8080
before=$(status_value kernel.healed)
[ "$before" = 0 ] || fail "our own changes were taken for somebody else's: healed $before times"
passed "our own changes are our own"
