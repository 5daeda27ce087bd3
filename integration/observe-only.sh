#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Staged policy changes no packet: random staged directories, of all kinds and stages, and the same packets through the
# host, to it and from it, with the staged documents and without. What arrives is the same byte for byte (TTL, DSCP,
# identification, payload), and so are the packets' marks, their connections and these' marks.
#
#   observe-only.sh [--rounds N] [--seed SEED]      the seed is printed: with it the run is the same
. "${0%/*}/lib.sh"

neighbour client 1
neighbour server 2
neighbour web 3
neighbour db 4
bridge br0 5
bridged box br0 2
ip route add default via 10.77.2.2
ip -6 route add default via fd77:2::2
start_daemon
python3 -B "$integration/observe_only" "$build/drywall" "$policy_dir" "$@" || fail "see above"
