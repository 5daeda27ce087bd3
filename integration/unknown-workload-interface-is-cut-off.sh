#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An interface that is named like a workload's and has no endpoint is cut off, from others, to others and to the host,
# whatever a host endpoint * allows; one with another name and no endpoint is not policed.
. "${0%/*}/lib.sh"

neighbour known 1
neighbour unknown 2
neighbour outside 3
for name in known unknown outside host; do serve "$name" tcp 8080; done
all_reach_all() {
  for pair in "unknown outside" "outside unknown" "unknown known" "known unknown" "unknown host" "known outside" \
    "outside known" "outside host"; do
    expect_arrives "${pair% *}" "${pair#* }" tcp 8080
  done
}
start_daemon
given_workload known prod
given felix.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {defaultEndpointToHostAction: Accept}
END
in_both_families all_reach_all # nothing says yet that `unknown` is a workload

given felix.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {interfacePrefix: "cali,if-un", defaultEndpointToHostAction: Accept}
END
unknown_is_cut_off() {
  for other in outside known; do
    expect_denied unknown "$other" tcp 8080
    expect_denied "$other" unknown tcp 8080
  done
  expect_denied unknown host tcp 8080
  for pair in "known outside" "outside known" "outside host" "known host"; do
    expect_arrives "${pair% *}" "${pair#* }" tcp 8080
  done
}
in_both_families unknown_is_cut_off

write_policy endpoint.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: all, labels: {role: all}}
spec: {node: host, interfaceName: "*", profiles: [projectcalico-default-allow]}
END
given through.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: through}
spec:
  selector: role == 'all'
  applyOnForward: true
  types: [Ingress, Egress]
  ingress: [{action: Allow}]
  egress: [{action: Allow}]
END
in_both_families unknown_is_cut_off

# With no other workload at all it still is; and it is a workload as soon as there is an endpoint of that name.
rm "$policy_dir/workload-known.yaml"
reload
in_both_families expect_denied outside unknown tcp 8080
in_both_families expect_denied unknown host tcp 8080
given_workload unknown prod
in_both_families all_reach_all
