#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Talking with drywalld from a shell.

busctl get-property org.drywall1 /org/drywall1 org.drywall1.Manager State
busctl call org.drywall1 /org/drywall1 org.drywall1.Manager Reload
busctl --json=pretty call org.drywall1 /org/drywall1 org.drywall1.Manager Status
busctl --json=short call org.drywall1 /org/drywall1 org.drywall1.Manager Policies
busctl call org.drywall1 /org/drywall1 org.drywall1.Manager Render s pending
busctl --json=short call org.drywall1 /org/drywall1 org.drywall1.Flows List 'a{ss}uu' 1 differs true 0 100
busctl --json=short call org.drywall1 /org/drywall1 org.drywall1.Manager Preview 'asa{ss}' 0 0
busctl --json=short call org.drywall1 /org/drywall1 org.drywall1.Manager Promote 'asa{ss}' 1 deny-web 2 accept true dry_run true
busctl tree org.drywall1
busctl introspect org.drywall1 /org/drywall1
