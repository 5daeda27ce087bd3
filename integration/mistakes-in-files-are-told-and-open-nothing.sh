#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Whoever makes a mistake in a policy file is told in one message what is wrong and what to do, and what was in force stays:
# what was denied is denied, what was allowed goes on.
. "${0%/*}/lib.sh"
. "${0%/*}/told"

neighbour client 1
serve host tcp 8080 9090
good_policy | write_policy good.yaml
start_daemon
still_protected

echo "-- what is in a file"
printf 'kind: [GlobalNetworkPolicy\nmetadata: }\n' | write_policy bad.yaml
told "bad YAML" yaml-syntax "" .
write_policy bad.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: securty.web}
spec: {tier: securty, selector: role == 'server', types: [Ingress]}
---
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: security}
spec: {order: 100}
END
told "an unknown tier" unknown-tier securty security
write_policy bad.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: web}
spec: {selector: "role = 'server'", types: [Ingress]}
END
told "a typo in a selector" bad-selector . "=="
rm "$policy_dir/bad.yaml"
mended "its removal"

echo "-- a file half written"
printf 'apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: slow}\nspec:\n  selector: role ==' \
  >"$policy_dir/slow.yaml"
told "half a file" bad-selector . .
printf " 'server'\n  types: [Ingress]\n  ingress: [{action: Deny, protocol: TCP, destination: {ports: [7070]}}, {action: Allow}]\n" \
  >>"$policy_dir/slow.yaml"
mended "the rest"
expect "it is in force" test "$(status_value policies.enforced)" = 2
rm "$policy_dir/slow.yaml"
