#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The preview of what is staged on the host itself: one-way UDP and untracked flows are named as cut at once, listening
# services with who would find them otherwise, what only the safety net lets through; some staged policies are previewed
# without the others, and what is still learning is not ready.

. "${0%/*}/lib.sh"

neighbour client 1
neighbour other 2
serve host tcp 7070
printf 'promotion: {min_observed: 0s, min_flows: 0}\n' >"$work/drywall.yaml"
start_daemon --config "$work/drywall.yaml"
given_host_endpoint uplink if-client
given_host_endpoint lan if-other

given net.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: zzz-final-allow-everything}
spec:
  order: 100000
  types: [Ingress, Egress]
  ingress: [{action: Allow}]
  egress: [{action: Allow}]
END
given untracked.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: untracked-allow}
spec:
  selector: role == 'uplink'
  applyOnForward: true
  doNotTrack: true
  types: [Ingress, Egress]
  ingress: [{action: Allow, protocol: UDP, destination: {ports: [5353]}}]
  egress: [{action: Allow, protocol: UDP, source: {ports: [5353]}}]
END
given ready.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: uplink-web}
spec:
  order: 10
  selector: role == 'uplink'
  types: [Ingress]
  ingress: [{action: Allow, protocol: TCP, destination: {ports: [7070]}}]
END
expect_preview "with nothing denied it is ready" "p['ready'] and p['policies'] == ['StagedGlobalNetworkPolicy/uplink-web']"

# One datagram a second of each: one that nobody answers, one that untracked policy lets by.
in_namespace client python3 "$integration/steady_udp.py" "$(address host client)" 9999 5353 &
in_both_families expect_arrives client host tcp 7070
in_both_families expect_arrives other host tcp 7070

given deny.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: uplink-deny}
spec:
  order: 20
  selector: role == 'uplink'
  types: [Ingress]
  ingress: [{action: Deny, protocol: UDP, destination: {ports: [9999]}}]
END
given deny-untracked.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: untracked-allow}
spec:
  selector: role == 'uplink'
  applyOnForward: true
  doNotTrack: true
  types: [Ingress, Egress]
  ingress: [{action: Deny, protocol: UDP, destination: {ports: [5353]}}]
END
expect_preview "one-way UDP is named as cut at once" "
  [c for c in p['connections'] if c['dst_port'] == 9999 and c['would'] == 'would-deny' and not c['survives'] and c['tracked']]"
expect_preview "an untracked flow is named as cut at once" "
  [c for c in p['connections'] if c['dst_port'] == 5353 and c['would'] == 'would-deny' and not c['survives'] and not c['tracked']]"
expect "so the promotion is not ready" ask "not p['ready'] and any('cut at once' in r for r in p['reasons'])"
expect "what is in force is untouched" expect_arrives client host tcp 7070

preview uplink-web
expect "one of them alone is ready" ask "p['ready'] and len(p['policies']) == 1 and not p['connections']"
preview uplink-deny
expect "the other alone is not" ask "not p['ready'] and {c['dst_port'] for c in p['connections']} == {9999}"

given close.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: close-web}
spec:
  order: 5
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, source: {nets: [10.77.2.0/24]}, destination: {ports: [7070]}}]
END
preview close-web
expect "evidence from before the staging tells who would lose a service" ask "
  [(l['protocol'], l['port'], s['source']['addresses'], s['would']) for l in p['listeners'] for s in l['sources']] ==
  [('tcp', 7070, ['10.77.2.2'], 'would-deny')]"
expect "the safety net carries what nothing else allows" ask "
  [n['policy'] for n in p['safety_nets']] == ['GlobalNetworkPolicy/zzz-final-allow-everything'] and
  {(g['destination']['name'], g['port']) for g in p['safety_nets'][0]['carries'] if g['protocol'] == 'tcp'} ==
  {('uplink', 7070), ('lan', 7070)}"

rm "$policy_dir"/{deny,deny-untracked,close,untracked}.yaml
sed -i 's/^spec:/spec:\n  stagedAction: Learn/' "$policy_dir/ready.yaml" && reload
preview
expect "what is still learning is not ready" ask "not p['ready'] and any('Learn' in r for r in p['reasons'])"
sed -i 's/Learn/Ignore/' "$policy_dir/ready.yaml" && reload
preview
expect "what is ignored is not previewed" ask "p['policies'] == [] and p['ready']"

sed -i -e '/stagedAction/d' -e 's/{name: uplink-web}/{name: uplink-web, annotations: {drywall.org\/review-by: "2020-01-01"}}/' \
  "$policy_dir/ready.yaml" && reload
drywall status 2>"$work/warnings" >/dev/null
expect "a review that is overdue is a warning in status" grep -q "review-due" "$work/warnings"
