#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The guide from nftables.conf, followed to the letter: what the old rules allowed and denied is allowed and denied before, beside
# them, and after them; what the staged policy would deny is foretold.
. "${0%/*}/lib.sh"
. "${0%/*}/guide-steps"

given_old_firewall_neighbours
change_over_by from-nftables.md
expect "the old table is gone" sh -c '! nft list table inet filter 2>/dev/null'
expect "the file has no rule left" sh -c '! grep -q -e chain -e "^flush" /etc/nftables.conf'
