#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Beside a real ufw (on iptables-nft): what both allow passes, what one of them denies does not; a staged policy is
# previewed although ufw drops later; `ufw reload` and `ufw disable` leave our rules as they were; doctor says who else can
# drop.
. "${0%/*}/lib.sh"
need ufw ufw
need iptables-nft iptables
[ -r /etc/ufw/user.rules ] || { echo "only root can read ufw's files" && exit 77; }
case $(iptables -V) in *nf_tables*) ;; *) echo "iptables is not iptables-nft here" && exit 77 ;; esac

neighbour client 1
serve host tcp 8080 8081 9090
cp -a /etc/ufw "$work/ufw"
mount --bind "$work/ufw" /etc/ufw # its configuration is nobody's but this script's
ufw_does() { ufw "$@" >"$work/out" 2>&1 || fail "ufw $*: $(cat "$work/out")"; }
ufw_does --force enable
ufw_does allow 8080/tcp
ufw_does allow 8081/tcp
expect_denied client host tcp 9090 # by ufw alone
ufw_does reload                    # the first one adds rules
theirs=$(rules others)

start_daemon
given_host_endpoint server if-client
given policy.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: web}
spec:
  selector: role == 'server'
  types: [Ingress]
  ingress:
  - {action: Allow, protocol: TCP, destination: {ports: [8080, 9090]}}
  - {action: Deny, protocol: TCP, destination: {ports: [8081]}}
---
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: lockdown}
spec:
  order: 1
  selector: role == 'server'
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [8080, 9090]}}]
END

both_have_their_say() {
  expect_arrives client host tcp 8080
  expect_denied client host tcp 8081
  expect_denied client host tcp 9090
}
in_both_families both_have_their_say
expect_flow port=8080 pending=would-deny action=allow
expect_flow port=9090 pending=would-deny action=allow
expect_flow port=8081 action=deny
expect "Drywall changed nothing of ufw's" test "$(rules others)" = "$theirs"

expect_found drops-after "ip filter (ufw)"
expect_found drops-after "ip6 filter (ufw)"
expect_found drops-after "at input by policy"
expect_found found-ufw "ip filter"

ours=$(rules ours)
ufw_does reload
expect "ufw reload changes nothing of ours" test "$(rules ours)" = "$ours"
expect "nor had anything to be healed" test "$(status_value kernel.healed)" = 0
in_both_families both_have_their_say
expect "ufw is as it was" test "$(rules others)" = "$theirs"

ufw_does disable
expect "ufw disable changes nothing of ours" test "$(rules ours)" = "$ours"
expect_arrives client host tcp 9090
expect_denied client host tcp 8081
expect_not_found drops-after "(ufw)"
ufw_does --force enable
expect_denied client host tcp 9090
