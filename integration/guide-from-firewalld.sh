#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The guide from firewalld, followed to the letter: what the old rules allowed and denied is allowed and denied before, beside
# them, and after them; what the staged policy would deny is foretold.
. "${0%/*}/lib.sh"
. "${0%/*}/guide-steps"
need firewalld firewalld

given_old_firewall_neighbours
rm -rf /etc/firewalld
mkdir /etc/firewalld
start_bus
firewalld --nofork --nopid --log-target console >>"$work/firewalld.log" 2>&1 &
firewalld_pid=$!
eventually 30 firewall-cmd --state >"$work/out" 2>&1 || fail "firewalld did not start: $(cat "$work/firewalld.log")"
# What systemctl would do of the guide's one word to it.
printf '#!/bin/sh\n[ "$*" = "disable --now firewalld" ] && kill %s && sleep 0.5\n' "$firewalld_pid" >"$work/bin/systemctl"
chmod +x "$work/bin/systemctl"
change_over_by from-firewalld.md
