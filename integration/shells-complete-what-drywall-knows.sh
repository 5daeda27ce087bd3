#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# bash, zsh and fish complete verbs and options as the program declares them, and names of policies, tiers and endpoints
# as drywalld knows them; without drywalld they complete the rest, silently.
. "${0%/*}/lib.sh"

completion=$integration/../packaging/completion
mkdir "$work/bin"
ln -s "$build/drywall" "$work/bin/drywall"
export PATH="$work/bin:$PATH"

offers() { # WORDS WORD...: exactly these, in any order, when WORDS are completed
  local words=$1
  shift
  eval "drywall --complete $words" 2>"$work/err" | cut -f 1 | sort >"$work/offered"
  printf '%s\n' "$@" | sort | diff - "$work/offered" >"$work/difference" || fail "of \"$words\": $(cat "$work/difference")"
  [ ! -s "$work/err" ] || fail "of \"$words\": $(cat "$work/err")"
  passed "drywall $words: $*"
}
offers_none() {
  expect "drywall $1: nothing" test "$(eval "drywall --complete $1" 2>&1)" = ""
}

DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere offers_none "flows --policy ''"
neighbour client 1
serve host tcp 8080
start_daemon
given_host_endpoint server if-client
given policies.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: security}
spec: {order: 10, defaultAction: Pass}
---
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: security.lockdown}
spec: {tier: security, selector: role == 'server', types: [Ingress], ingress: [{action: Allow}]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: web}
spec: {selector: role == 'server', types: [Ingress], ingress: [{action: Allow}]}
END
expect_arrives client host tcp 8080
expect_flow port=8080

verbs=$(drywall --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
# shellcheck disable=SC2086 # one word each
offers "''" $verbs
offers "sta" status
offers "flows --act" --action
offers "flows --action ''" allow deny
offers "flows --action deny," deny,allow deny,deny
offers "flows --reporter=d" --reporter=dst
offers "flows --policy ''" web security.lockdown
offers "flows --tier ''" default security
offers "flows --port ''" 8080
offers "flows --destination s" server
offers "flows --pending-action ''" would-allow would-deny
offers "preview ''" security.lockdown
offers "explain --policy-dir ''" :directories
offers "check ''" :files
offers "render --world ''" enforced pending
offers_none "frobnicate ''"
offers_none "status --frobnicate=''"

# bash
# shellcheck disable=SC1091 # the script under test
. "$completion/drywall.bash"
bash_offers() { # LINE WORD...
  local COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
  local COMP_WORDS COMP_CWORD COMPREPLY
  read -ra COMP_WORDS <<<"$1"
  [[ $1 != *' ' ]] || COMP_WORDS+=("")
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  shift
  _drywall
  expect "bash: $COMP_LINE: $*" test "$(printf '%s\n' "${COMPREPLY[@]}" | sort | xargs)" = "$(printf '%s\n' "$@" | sort | xargs)"
}
bash_offers "drywall pol" policies
bash_offers "drywall flows --policy " web security.lockdown
bash_offers "drywall flows --reporter=s" src
bash_offers "drywall flows --action deny,a" deny,allow
(cd "$work" && mkdir only && bash_offers "drywall explain --policy-dir on" only)

# fish
if command -v fish >/dev/null; then
  fish_offers() { # LINE WORD...
    local line=$1
    shift
    HOME=$work fish --no-config -c "source $completion/drywall.fish; complete -C '$line'" | cut -f 1 | sort >"$work/offered"
    printf '%s\n' "$@" | sort | diff - "$work/offered" >"$work/difference" || fail "fish: $line: $(cat "$work/difference")"
    passed "fish: $line: $*"
  }
  fish_offers "drywall pol" policies
  fish_offers "drywall flows --policy " web security.lockdown
  fish_offers "drywall flows --action deny,a" deny,allow
else
  echo "not shown: fish (it is not installed)"
fi

# zsh: its function, with what it calls of zsh's own completion replaced by what shows the outcome.
if command -v zsh >/dev/null; then
  cat >"$work/try.zsh" <<'END'
_call_program() { shift; eval "$@"; }
_describe() { local name=$argv[3]; for offer in ${(P)name}; do print -r -- "${offer%%:*}"; done }
_files() { print -r -- "files $*"; }
script=$1; shift
words=("$@") CURRENT=$#
source $script
END
  zsh_offers() { # WORDS WORD...
    local words=$1
    shift
    eval "zsh -f '$work/try.zsh' '$completion/drywall.zsh' drywall $words" | sort >"$work/offered"
    printf '%s\n' "$@" | sort | diff - "$work/offered" >"$work/difference" || fail "zsh: $words: $(cat "$work/difference")"
    passed "zsh: $words: $*"
  }
  zsh_offers "pol" policies
  zsh_offers "flows --policy ''" web security.lockdown
  zsh_offers "explain --policy-dir ''" "files -/"
else
  echo "not shown: zsh (it is not installed)"
fi
