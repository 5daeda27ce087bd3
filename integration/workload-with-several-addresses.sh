#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A workload may have several addresses of each family: it sends under each, each is policed as its own, and selectors
# of others find each. An address that its endpoint does not have is not its.
. "${0%/*}/lib.sh"

neighbour many 1
neighbour peer 2
neighbour outside 3
serve many tcp 8080 9090
for last in 3 4 5; do
  ip -n many addr add "10.77.1.$last/24" dev eth0
  ip -n many addr add "fd77:1::$last/64" dev eth0 nodad
done
start_daemon
given_workload peer prod
given_workload many prod
given workload-many.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata:
  name: many
  namespace: prod
  labels: {app: many}
spec:
  node: host
  interfaceName: if-many
  ipNetworks: [10.77.1.2/32, 10.77.1.3/32, 10.77.1.4/32, "fd77:1::2/128", "fd77:1::3/128", "fd77:1::4/128"]
  profiles: [kns.prod]
END
given policies.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: many, namespace: prod}
spec:
  selector: app == 'many'
  types: [Ingress]
  ingress: [{action: Allow, protocol: TCP, destination: {ports: [8080]}}]
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: peer, namespace: prod}
spec:
  selector: app == 'peer'
  types: [Ingress]
  ingress: [{action: Allow, source: {selector: app == 'many'}}]
END

each_address() {
  local base its
  base=$(address many)
  for last in 2 3 4; do
    its=${base%2}$last
    expect_arrives outside "$its" tcp 8080
    expect_denied outside "$its" tcp 9090
    expect_flow reporter=dst action=deny destination=many destination="$its" port=9090 \
      enforced="NetworkPolicy prod/many -1 deny"
    expect_delivered many peer "$its" "$(address peer)"
    expect_flow reporter=src action=allow source=many source="$its" destination=peer
    expect_flow reporter=dst action=allow source=many source="$its" destination=peer \
      enforced="NetworkPolicy prod/peer 0 allow"
  done
  # To a fifth it is policed by its interface, under it it cannot send.
  its=${base%2}5
  expect_denied outside "$its" tcp 9090
  expect_stopped many peer "$its" "$(address peer)"
}
in_both_families each_address
