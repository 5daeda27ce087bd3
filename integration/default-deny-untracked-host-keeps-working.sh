#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A host endpoint whose untracked policy denies everything lives on its link, as one with normal policy does.
bucket=untracked
. "${0%/*}/default-deny-host-keeps-working.sh"
