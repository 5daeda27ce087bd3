#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check, match and explain answer from files alone, with the documented exit codes (docs/cli.md): no daemon, no rights,
# and so no namespaces of integration/lib.sh.

set -euo pipefail

build=$(realpath -m "${DRYWALL_BUILD:-${0%/*}/../build}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
unset COLUMNS NO_COLOR

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
passed() { echo "ok: $*"; }
expect() { # WHAT COMMAND...
  local what=$1
  shift
  "$@" || fail "$what"
  passed "$what"
}

# expect_exit CODE VERB ARGUMENT...: what it prints is then in out and err.
expect_exit() {
  local wanted=$1 got=0
  shift
  "$build/drywall" "$@" >out 2>err </dev/null || got=$?
  [ "$got" = "$wanted" ] || fail "drywall $* exits $got instead of $wanted: $(cat out err)"
  passed "drywall $* exits $wanted"
}
expect_line() { grep -qF -e "$1" out && passed "it answers \"$1\"" || fail "no line \"$1\" in: $(cat out)"; }
expect_message() { grep -qF -e "$1" err && passed "it says \"$1\"" || fail "no message \"$1\" in: $(cat err)"; }
# expect_json EXPRESSION: true of `document`, or with several lines of `lines`.
expect_json() {
  python3 -c '
import json, sys
lines = None
text = open("out").read()
try:
    document = json.loads(text)
except ValueError:
    lines = [json.loads(line) for line in text.splitlines()]
sys.exit(0 if eval(sys.argv[1]) else f"not so: {sys.argv[1]} in {text}")' "$1" || fail "the JSON says something else"
  passed "$1"
}

# --- directories --------------------------------------------------------------------------------------------------------

endpoint() { # NAME APP ADDRESS INTERFACE
  cat <<END
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata:
  name: node-k8s-$1-eth0
  namespace: prod
  labels: {app: $2, projectcalico.org/namespace: prod, projectcalico.org/orchestrator: k8s}
spec:
  {orchestrator: k8s, node: node, pod: $1, endpoint: eth0, interfaceName: $4, ipNetworks: [$3/32], profiles: [kns.prod]}
---
END
}

mkdir good broken dnat
{
  endpoint web web 10.0.0.1 cali1
  endpoint db db 10.0.0.2 cali2
  echo '{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod"}}'
} >good/endpoints.yaml
cat >good/policy.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: db, namespace: prod}
spec:
  selector: app == 'db'
  types: [Ingress]
  ingress:
  - {action: Allow, protocol: TCP, source: {selector: app == 'web'}, destination: {ports: [5432, 6379]}}
  - {action: Log}
  - {action: Allow, protocol: ICMP, icmp: {type: 8, code: 0}}
  - {action: Deny, protocol: UDP, source: {notNets: [10.0.0.0/8]}}
END
cat >good/host.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: eth0, labels: {role: host}}
spec: {node: node, interfaceName: eth0, expectedIPs: [192.0.2.1]}
END
cp good/host.yaml dnat
cat >dnat/policy.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: dnat}
spec:
  selector: role == 'host'
  order: 1
  preDNAT: true
  applyOnForward: true
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {nets: [203.0.113.9/32], ports: [8443]}}]
END
cat >broken/a.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: broken}
spec:
  selector: all()
  ingress:
  - action: Alow
END
mkdir doubtful
cp good/endpoints.yaml doubtful
sed "s/app == 'db'/app == 'nobody'/" good/policy.yaml >doubtful/policy.yaml

# --- check --------------------------------------------------------------------------------------------------------------

expect_exit 0 check good
expect_line "3 files: 0 errors, 0 warnings"
expect_exit 0 check --strict good
expect_exit 1 check broken
expect_line "1 file: 1 error, 0 warnings"
expect_message 'broken/a.yaml:7:13: error: '
expect_message "  - action: Alow"
expect_exit 1 check good broken # together
expect_exit 0 check doubtful
expect_message "doubtful/policy.yaml:1:1: warning: StagedNetworkPolicy prod/db selects no endpoint"
expect_message "1 | apiVersion: projectcalico.org/v3"
expect_exit 1 check --strict doubtful
expect_exit 2 check nowhere
expect_exit 2 check -o xml good

expect_exit 0 check -o json good
expect_json 'document == []'
expect_exit 1 check -o json broken
expect_json 'list(document[0])[:7] == ["file", "line", "column", "severity", "code", "message", "help"]'
expect_json 'document[0]["severity"] == "error" and document[0]["line"] == 7'
expect_exit 0 check -o json doubtful
expect_json '[d["severity"] for d in document] == ["warning"]'

expect_exit 0 check -o sarif good
expect_json 'document["version"] == "2.1.0" and document["runs"][0]["results"] == []'
expect_exit 1 check -o sarif broken
expect_json 'document["runs"][0]["tool"]["driver"]["rules"][0]["id"] == "bad-action"'
expect_json 'document["runs"][0]["results"][0]["ruleId"] == "bad-action"'
expect_json 'document["runs"][0]["results"][0]["level"] == "error"'
expect_json '"help: " in document["runs"][0]["results"][0]["message"]["text"]'
where='document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]'
expect_json "$where"'["artifactLocation"]["uri"] == "broken/a.yaml"'
expect_json "$where"'["region"] == {"startLine": 7, "startColumn": 13, "endColumn": 17}'
expect_exit 1 check -o sarif --strict doubtful
expect_json 'document["runs"][0]["results"][0]["level"] == "warning"'

# --- match --------------------------------------------------------------------------------------------------------------

expect_exit 0 match "app == 'web' && has(env)" app=web env=prod
expect_exit 1 match "app == 'web'" app=db
expect_exit 2 match "app = 'web'" app=web
expect_exit 2 match "all()" app

# --- explain, one packet ------------------------------------------------------------------------------------------------

good() { # CODE ARGUMENT...
  local code=$1
  shift
  expect_exit "$code" explain --policy-dir good "$@"
}
web_to_db() { # CODE ARGUMENT...
  local code=$1
  shift
  good "$code" --src 10.0.0.1 --dst 10.0.0.2 "$@"
}

web_to_db 0 --dst-port 5432
expect "the first line sums up" test "$(head -n 1 out)" = \
  "tcp 10.0.0.1:40000 -> 10.0.0.2:5432: enforced allow, pending would-allow: no difference"
expect_line "StagedNetworkPolicy prod/db rule 0 would"
expect_line "[good/policy.yaml:8]"
expect "both worlds are side by side" grep -q "^ENFORCED  *PENDING$" out
expect "nothing is wider than the page" test -z "$(grep -E '.{101}' out)"
expect "no colour outside a terminal" sh -c '! grep -q "$(printf "\033")" out'

web_to_db 1 --dst-port 22
expect_line "enforced allow, pending would-deny: they differ"
expect_line "end of tier default would deny"
COLUMNS=99 web_to_db 1 --dst-port 22
expect "a narrow page has one below the other" test "$(grep -cx -e ENFORCED -e PENDING out)" = 2
COLUMNS=180 web_to_db 1 --dst-port 22
expect "a wide page breaks no line" grep -q \
  "^ *Profile kns.prod rule 0 allows \[.*\]  *end of tier default would deny (StagedNetworkPolicy prod/db) \[.*\]$" out

web_to_db 1 --dst-port 22 -o json
expect_json 'list(document) == ["enforced", "pending", "unowned"]'
expect_json 'document["pending"]["verdict"] == "deny" and document["enforced"]["verdict"] == "allow"'
expect_json '[leg["direction"] for leg in document["pending"]["legs"]] == ["egress", "ingress"]'
expect_json '"why" not in document["pending"]["legs"][0]'

web_to_db 0 --protocol icmp --icmp-type 8
expect_line "icmp type 8 code 0 10.0.0.1 -> 10.0.0.2: enforced allow"
web_to_db 1 --protocol icmp --icmp-type 8 --icmp-code 1 --why
expect_line "rule 2 allow, no: ICMP type 8 code 1 is not type 8 code 0 [good/policy.yaml:10]"
good 0 --src 10.0.0.1 --dst 192.0.2.77 --dst-port 53 --protocol udp
expect_line "192.0.2.77 is the address of no endpoint here"
good 0 --src 192.0.2.77 --dst 192.0.2.78
expect_line "no endpoint of this host judges it"
expect_exit 0 explain --policy-dir dnat --src 198.51.100.1 --dst 192.0.2.1 --dst-port 443 --in-interface eth0 \
  --orig-dst 203.0.113.9 --orig-dst-port 8443 --why
expect_line "tcp 198.51.100.1:40000 -> 192.0.2.1:443 (203.0.113.9:8443 before DNAT): enforced deny"
expect_line "protocol is tcp; destination 203.0.113.9 is in nets 203.0.113.9/32; destination port 8443 is in 8443"

# --- explain --why ------------------------------------------------------------------------------------------------------

web_to_db 1 --dst-port 22 --why
expect_line "rule 0 allow, no: destination port 22 is not in 5432, 6379 [good/policy.yaml:8]"
expect_line "rule 1 log, yes, and on: it matches every packet [good/policy.yaml:9]"
expect_line "end of tier default, deny: no rule of the tier matches (put down to StagedNetworkPolicy prod/db"
expect_line "WHY, in both worlds: egress of WorkloadEndpoint prod/node-k8s-web-eth0 (normal)"
web_to_db 1 --protocol udp --dst-port 53 --why
expect_line "rule 3 deny, no: source 10.0.0.1 is in nets 10.0.0.0/8, which the rule excludes"
good 1 --src 10.0.0.9 --dst 10.0.0.2 --dst-port 5432 --why
expect_line "source 10.0.0.9 is not in selector (projectcalico.org/namespace == \"prod\" && app == \"web\")"
good 0 --src 198.51.100.1 --dst 192.0.2.1 --dst-port 22 --why
expect_line "Essential essentials, no: none of 11 rules matches"
expect_line "rule 0 allow, yes: protocol is tcp; destination port 22 is in 22"

web_to_db 1 --dst-port 22 --why -o json
expect_json 'list(document["pending"]["legs"][1])[-1] == "why"'
why='document["pending"]["legs"][1]["why"]'
expect_json "[(w['rule'], w['matched'], w['action']) for w in $why] == [(0, False, 'allow'), (1, True, 'log'), \
(2, False, 'allow'), (3, False, 'deny'), (-1, True, 'deny')]"
expect_json "list(${why}[0])[:8] == ['tier', 'kind', 'namespace', 'name', 'rule', 'action', 'matched', 'reason']"
expect_json "${why}[0]['reason'] == 'destination port 22 is not in 5432, 6379' and ${why}[0]['line'] == 8"

# --- explain --flows ----------------------------------------------------------------------------------------------------

cat >flows <<'END'
{"src": "10.0.0.1", "dst": "10.0.0.2", "protocol": "tcp", "dst_port": 5432}

{"src": "10.0.0.1", "dst": "10.0.0.2", "protocol": 1, "icmp_type": 8, "icmp_code": 0}
END
good 0 --flows flows
expect_json 'len(lines) == 2'
echo '{"src": "10.0.0.1", "dst": "10.0.0.2", "protocol": "tcp", "dst_port": 22}' >>flows
good 1 --flows flows --why
expect_json '[line["pending"]["verdict"] for line in lines] == ["allow", "allow", "deny"]'
expect_json 'all(leg["why"] for line in lines for leg in line["enforced"]["legs"] + line["pending"]["legs"])'
echo '{"src": "10.0.0.1", "dst": "10.0.0.2"}' >>flows
good 2 --flows flows
expect_json '"protocol" in lines[3]["error"] and "error" not in lines[2]'
expect "standard input is a file of flows too" test \
  "$("$build/drywall" explain --policy-dir good --flows - <flows | grep -c .)" = 4

# --- explain, what it cannot tell ---------------------------------------------------------------------------------------

good 2
expect_message "--src is missing: give --src and --dst"
good 2 --src 10.0.0.1
expect_message "--dst is missing"
good 2 --src 10.0.0.1 --dst nowhere
expect_message "--dst nowhere: expected an IP address"
good 2 --src 10.0.0.1 --dst fd00::1
expect_message "different families"
web_to_db 2 --protocol tpc
expect_message "--protocol tpc: expected tcp, udp"
web_to_db 2 --icmp-type 8
expect_message "protocol tcp has no ICMP type: give --protocol icmp"
web_to_db 2 --protocol icmp --dst-port 80
expect_message "protocol icmp has no ports"
web_to_db 2 --dst-port 65536
web_to_db 2 --flows flows
expect_message "leave --src, --dst"
good 2 --flows nowhere
expect_message "cannot open nowhere"
expect_exit 2 explain --policy-dir nowhere --src 10.0.0.1 --dst 10.0.0.2
expect_exit 2 explain --policy-dir broken --src 10.0.0.1 --dst 10.0.0.2
expect_message "broken/a.yaml:7:13: error: "

# --- explain, what is refused but understood ----------------------------------------------------------------------------

mkdir lower
cp good/endpoints.yaml lower
sed 's/protocol: TCP/protocol: tcp/' good/policy.yaml >lower/policy.yaml
expect_exit 1 check lower
expect_exit 0 explain --policy-dir lower --src 10.0.0.1 --dst 10.0.0.2 --dst-port 5432
expect_message "error: "
expect_line "enforced allow, pending would-allow"
