#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The host endpoint of all interfaces (*) that denies everything lives on its link, as one of a named interface does.
governed='*'
. "${0%/*}/default-deny-host-keeps-working.sh"
