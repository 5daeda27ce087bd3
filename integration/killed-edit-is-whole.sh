#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `drywall` killed between any two of its lasting effects, while it promotes, confirms and rolls back: files and kernel are
# the old generation or the new one, never a mix, and the next one who looks says which. TRIALS: how many (default 25, spread
# over all places; 200 tries each place at least once).
. "$(dirname "$0")/lib.sh"

command -v cc >/dev/null || { echo "no C compiler to build integration/die_at.c with" && exit 77; }
cc -shared -fPIC -O1 -o "$work/die_at.so" "$integration/die_at.c" -ldl

given_host_endpoint host "*"
for name in web db; do
  write_policy "$name.yaml" <<END
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: $name}
spec: {stagedAction: Set, selector: role == 'host', types: [Ingress], ingress: [{action: Allow}]}
END
done
mkdir "$work/old"
cp "$policy_dir"/{web,db}.yaml "$work/old/"
start_daemon

# old, new, or what it is a mix of.
state_of_files() {
  local staged
  staged=$(cat "$policy_dir"/{web,db}.yaml | grep -c '^kind: Staged' || true)
  case $staged in
    2) cmp -s "$policy_dir/web.yaml" "$work/old/web.yaml" && cmp -s "$policy_dir/db.yaml" "$work/old/db.yaml" && echo old ;;
    0) echo new ;;
    *) echo "mix of $staged staged" ;;
  esac
}
state_of_kernel() {
  drywall status -o json 2>/dev/null | python3 -c '
import json, sys
status = json.load(sys.stdin)
staged = status["policies"]["staged"]
print({2: "old", 0: "new"}.get(staged, f"mix of {staged} staged") if status["kernel"]["in_sync"] else "not in sync")'
}
# The kernel itself is asked too: a policy that is staged is in chains that only observe.
kernel_is_whole() {
  local enforced
  enforced=$(nft list table ip drywall | grep -cE '"GlobalNetworkPolicy (web|db) rule 0' || true)
  [ "$enforced" = 0 ] || [ "$enforced" = 2 ]
}
agree() { [ "$(state_of_files)" = "$(state_of_kernel)" ]; }

promote() { drywall promote web db --accept "$@" >/dev/null 2>"$work/err" || fail "promote: $(cat "$work/err")"; }
begin_old() {
  if [ "$(status_value confirm)" != null ]; then drywall rollback >/dev/null 2>&1 || true; fi
  if [ "$(state_of_files)" != old ]; then cp "$work/old"/*.yaml "$policy_dir/"; fi
  drywall reload >/dev/null 2>&1 || fail "cannot begin anew"
}
begin_new() { begin_old && promote; }
begin_armed() { begin_old && promote --confirm 10m; }

# trial BEGIN N VERB...: killed at the Nth effect; false if it came to its end before.
trial() {
  local begin=$1 at=$2 status=0 said files left
  shift 2
  "$begin"
  # The subshell keeps to itself what Bash says of a job that was killed.
  (DIE_AT=$at LD_PRELOAD=$work/die_at.so "$build/drywall" "$@" >"$work/out" 2>&1; exit $?) 2>/dev/null || status=$?
  [ "$status" != 137 ] || sleep 0.5 # so that drywalld has noticed what happened to the files
  kernel_is_whole || fail "$* killed at effect $at: the kernel holds a mix"
  left=$(grep -oam1 '"phase":"[a-z]*"' "$work/state/edit/record" 2>/dev/null || true)
  said=$(drywall recover 2>&1) || fail "$* killed at effect $at: recover: $said"
  if [[ $left = *writing* || $left = *undoing* ]]; then
    grep -qE 'had not ended|was rolled back' <<<"$said" || fail "recover should say what it did of $left: $said"
  fi
  files=$(state_of_files)
  [[ $files = old || $files = new ]] || fail "$* killed at effect $at: the files are a $files ($said)"
  eventually 10 agree || fail "$* killed at effect $at: files $(state_of_files), kernel $(state_of_kernel) ($said)"
  [ "$status" = 137 ]
}

wanted=${TRIALS:-25} trials=0 killed=0
# trials_of STRIDE BEGIN VERB...: every STRIDEth place, until the verb comes to its end.
trials_of() {
  local stride=$1 begin=$2 at=1 places=0
  shift 2
  while :; do
    trials=$((trials + 1))
    trial "$begin" "$at" "$@" || break
    killed=$((killed + 1)) places=$((places + 1)) at=$((at + stride))
  done
  [ "$places" -ge 3 ] || fail "$* was killed only $places times: is anything tried here?"
  passed "$*: whole wherever it was killed, at $places places"
}

stride=$((wanted >= 200 ? 1 : 200 / wanted))
while :; do
  trials_of "$stride" begin_old promote web db --accept
  trials_of "$stride" begin_old promote web db --accept --confirm 10m
  trials_of "$((stride > 3 ? 3 : stride))" begin_armed confirm --accept-old-session
  trials_of "$stride" begin_armed rollback
  trials_of "$stride" begin_new rollback
  [ "$trials" -lt "$wanted" ] || break
done
echo "measured: killed $killed times in $trials trials, each time whole"
