#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `host_endpoint: auto` in drywall.yaml makes HostEndpoint NODE-auto of all interfaces, with its labels and os-release's. By
# itself it denies nothing, neither to nor from the host nor through it; policies find it by its labels, staged first. A
# HostEndpoint in the directory goes before it on its own interface, and is an error if it is the same.
. "${0%/*}/lib.sh"

neighbour client 1
neighbour server 2
serve host tcp 8080 8081
serve host udp 8080
serve server tcp 8080
serve client tcp 8080
cat >"$work/drywall.yaml" <<'END'
host_endpoint: auto
labels: {role: web}
END
start_daemon --config "$work/drywall.yaml"
expect "the endpoint is in status" test "$(status_value endpoints.0.name)" = host-auto
expect "for all interfaces" test "$(status_value endpoints.0.interfaces)" = '["*"]'
expect "no interface is unpoliced" test "$(status_value unpoliced_interfaces)" = '[]'

all_arrives() {
  expect_arrives client host tcp 8080
  expect_arrives client host udp 8080
  expect_arrives host server tcp 8080
  expect_arrives client server tcp 8080
  expect_arrives server client tcp 8080
}
in_both_families all_arrives

given staged.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: web}
spec:
  selector: role == 'web' && has(os/id)
  types: [Ingress]
  ingress: [{action: Allow, protocol: TCP, destination: {ports: [8080]}}]
END
in_both_families all_arrives
expect_arrives client host tcp 8081
expect_flow port=8081 pending=would-deny action=allow
expect_flow port=8080 pending=would-allow action=allow

sed -i s/Staged// "$policy_dir/staged.yaml"
reload
expect_arrives client host tcp 8080
expect_denied client host tcp 8081
expect_arrives client server tcp 8080
given_host_endpoint elsewhere if-client
expect_arrives client host tcp 8081

write_policy same.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: all}
spec: {node: host, interfaceName: "*"}
END
if drywall reload >"$work/out" 2>&1; then fail "two endpoints of all interfaces were taken"; fi
expect "the clash is told with both places" grep -q 'same.yaml:.*auto.*drywall.yaml:1:1.*host-endpoint-clash' "$work/out"
rm "$policy_dir/same.yaml"

# Offline verbs take it from this host's configuration when they judge this host's directory.
rm "$policy_dir/endpoint-elsewhere.yaml"
own_etc
cp "$work/drywall.yaml" /etc/drywall/
echo "policy_dir: $policy_dir" >>/etc/drywall/drywall.yaml
expect "explain knows it" sh -c '"$@" | grep -q "HostEndpoint host-auto"' sh "$build/drywall" explain --node host \
  --local 10.77.1.1%if-client --src 10.77.1.2 --dst 10.77.1.1 --dst-port 8081
expect "render knows it" sh -c '"$@" | grep -q enforced-input-host' sh "$build/drywall" render --node host
expect "check warns of nothing that selects it" sh -c '"$@" -o json | grep -q "^\[\]"' sh "$build/drywall" check
