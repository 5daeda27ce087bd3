# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What comes through to a booted system, and whether its rules were touched: for tests of what is installed. Sourced by
# what has `inside COMMAND...`, which runs a command in that system, and `fail WHAT`, which ends the test.
#
# A neighbour knocks every 5 ms (knock.py), at 7000/udp, which is allowed, and at 7001/udp, which is denied. What comes
# through is counted by a table that is not ours (watch.nft), behind ours, which is there before the network is up
# (test-network.service).

passed() { echo "ok: $*"; }

eventually() { # SECONDS COMMAND...
  local until=$(($(date +%s) + $1))
  shift
  until "$@"; do
    [ "$(date +%s)" -lt "$until" ] || return 1
    sleep 0.05
  done
}

# came PORT: how many packets came through since the boot.
came() {
  inside nft list table inet watch | sed -n "s/.*dport $1 counter packets \([0-9]*\) .*/\1/p"
}
comes_in() { # PORT: within three seconds
  local before
  before=$(came "$1")
  eventually 3 eval "[ \"\$(came $1)\" -gt $before ]"
}
stays_out() { # PORT WHAT: while 7000 goes on coming, none came since the mark
  comes_in 7000 || fail "the neighbour's allowed packets do not come in: $2"
  [ "$(came "$1")" = "$mark" ] || fail "denied packets came through: $2: $mark, then $(came "$1")"
  passed "no denied packet came through: $2"
}

handles() { inside nft -a list table ip drywall | sed -n 's/.*# handle //p' | sha256sum; }
same_rules() { [ "$(handles)" = "$before" ] || fail "$1 touched the rules"; } # since before=$(handles)

exposure() { # UNIT: as systemd-analyze measures it, at most 1.5
  local exposed
  exposed=$(inside systemd-analyze security --no-pager "$1" 2>/dev/null | sed -n 's/.*exposure level for .*: \([0-9.]*\).*/\1/p')
  echo "measured: systemd-analyze security $1: $exposed"
  awk "BEGIN { exit !($exposed <= 1.5) }" || fail "$1 is exposed: $exposed"
}
