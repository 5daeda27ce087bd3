#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The guide from ufw, followed to the letter: what the old rules allowed and denied is allowed and denied before, beside
# them, and after them; what the staged policy would deny is foretold.
. "${0%/*}/lib.sh"
. "${0%/*}/guide-steps"
need ufw ufw
need iptables-nft iptables
case $(iptables -V) in *nf_tables*) ;; *) echo "iptables is not iptables-nft here" && exit 77 ;; esac

given_old_firewall_neighbours
change_over_by from-ufw.md
