#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A Log rule is a rule of the kernel's own log, in both families, with the prefix, rate and burst that FelixConfiguration
# sets; the packet goes on to the next rule. A staged Log writes nothing. (What it writes cannot be seen here: the kernel
# writes no log for network namespaces.)
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 8080 9090
start_daemon
given_host_endpoint server if-client

# log_rules: each that the kernel has, sorted: family, port, prefix, rate/unit, burst.
log_rules() {
  nft -j list ruleset | python3 -c '
import json, sys
told = set()
for item in json.load(sys.stdin)["nftables"]:
    rule = item.get("rule", {})
    parts = {name: part for expression in rule.get("expr", []) for name, part in expression.items()}
    if rule.get("table") == "drywall" and "log" in parts and "group" not in parts["log"]:
        limit = parts.get("limit", {"rate": "no", "per": "limit"})
        port = [e["match"]["right"] for e in rule["expr"] if "match" in e and "dport" in str(e["match"]["left"])]
        told.add((rule["family"], *port, parts["log"]["prefix"], "{rate}/{per}".format(**limit), limit.get("burst", 0)))
print(*sorted(told, key=str), sep="\n")'
}
expect_log_rules() { # LINE...: (family, port, prefix, rate, burst) as Python writes them
  expect "the kernel's log rules are $*" test "$(log_rules)" = "$(printf '%s\n' "$@")"
}
felix() { # FIELDS
  given felix.yaml <<END
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {$1}
END
}

given policy.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: ep2-4}
spec:
  tier: default
  selector: role == 'server'
  types: [Ingress]
  ingress:
  - {action: Log, protocol: TCP, destination: {ports: [8080]}}
  - {action: Allow, protocol: TCP, destination: {ports: [8080]}}
  - {action: Log, protocol: TCP, destination: {ports: [9090]}}
  - {action: Deny}
END
both_families_go_on() {
  expect_arrives client host tcp 8080
  expect_denied client host tcp 9090
}

echo "-- defaults"
expect_log_rules "('ip', 8080, 'drywall: ', '100/second', 100)" "('ip', 9090, 'drywall: ', '100/second', 100)" \
  "('ip6', 8080, 'drywall: ', '100/second', 100)" "('ip6', 9090, 'drywall: ', '100/second', 100)"
in_both_families both_families_go_on

echo "-- prefix, rate and burst as configured"
felix 'logPrefix: "aXy9%n%%t %k %p", logActionRateLimit: 7/minute, logActionRateLimitBurst: 23'
prefix='aXy9ep2-4%default gnp ep2-4: '
expect_log_rules "('ip', 8080, '$prefix', '7/minute', 23)" "('ip', 9090, '$prefix', '7/minute', 23)" \
  "('ip6', 8080, '$prefix', '7/minute', 23)" "('ip6', 9090, '$prefix', '7/minute', 23)"
in_both_families both_families_go_on
for unit in second minute hour day; do
  felix "logPrefix: '%t', logActionRateLimit: 9999/$unit, logActionRateLimitBurst: 1"
  expect_log_rules "('ip', 8080, 'default: ', '9999/$unit', 1)" "('ip', 9090, 'default: ', '9999/$unit', 1)" \
    "('ip6', 8080, 'default: ', '9999/$unit', 1)" "('ip6', 9090, 'default: ', '9999/$unit', 1)"
done

echo "-- a prefix that is too long, or that no rule may hold, is cut and cleaned"
long=$(printf 'x%.0s' {1..300})
felix "logPrefix: 'a\"b\\c $long'"
cleaned="a_b_c ${long:0:119}: " # 127 bytes
log_rules >"$work/log-rules"
for port in 8080 9090; do
  expect "the prefix of the rule about $port is cut to 127 bytes" grep -qF "('ip', $port, '$cleaned', " "$work/log-rules"
done
in_both_families both_families_go_on

echo "-- what is no rate"
cp "$policy_dir/felix.yaml" "$work/felix.yaml"
for bad in 'logActionRateLimit: often' 'logActionRateLimit: 0/second' 'logActionRateLimit: 5/week' \
  'logActionRateLimitBurst: -1' 'logActionRateLimitBurst: 10000'; do
  sed "s|^spec:.*|spec: {$bad}|" "$work/felix.yaml" >"$policy_dir/felix.yaml"
  expect "$bad is refused" sh -c '! "$1" reload >"$2" 2>&1' sh "$build/drywall" "$work/refused"
  expect "with the place" grep -q 'felix.yaml:4:' "$work/refused"
done
rm "$policy_dir/felix.yaml"
reload

echo "-- a staged Log"
before=$(log_rules)
given staged.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: staged-log}
spec:
  order: 1
  selector: role == 'server'
  types: [Ingress]
  ingress:
  - {action: Log}
  - {action: Log, protocol: TCP, destination: {ports: [443]}}
  - {action: Allow, protocol: TCP, destination: {ports: [8080, 9090]}}
END
expect "has no rule" test "$(log_rules)" = "$before"
in_both_families both_families_go_on
expect_flow action=deny pending=would-allow port=9090 staged="StagedGlobalNetworkPolicy staged-log 2 allow" \
  enforced="GlobalNetworkPolicy ep2-4 3 deny"
sed -i 's/StagedGlobal/Global/' "$policy_dir/staged.yaml"
reload
log_rules >"$work/log-rules"
expect "but enforced it has" grep -qF "('ip6', 443, 'drywall: '" "$work/log-rules"
