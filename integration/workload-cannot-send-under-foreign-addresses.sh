#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a workload sends under an address that is not its own is dropped, to others and to the host, unless
# allowSpoofedSourcePrefixes has that address.
. "${0%/*}/lib.sh"

neighbour frontend 1
neighbour backend 2
neighbour other 3
start_daemon
given felix.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {defaultEndpointToHostAction: Accept}
END
given_workload other prod

# its: its own. near: of the same link, with a route back to it. others: of somebody else. nowhere: no route leads there
choose_addresses() {
  its=$(address frontend) others=$(address other)
  if [ "$family" = 4 ]; then
    near=10.77.1.77 nowhere=203.0.113.5
  else
    near=fd77:1::77 nowhere=2001:db8:5::5
  fi
}
everything_comes_through() {
  choose_addresses
  for source in "$its" "$near" "$others" "$nowhere"; do
    expect_delivered frontend backend "$source" "$(address backend)"
    expect_delivered frontend host "$source" "$(address host backend)"
  done
}
in_both_families everything_comes_through

given_workload frontend prod
only_its_own() {
  choose_addresses
  for source in "$near" "$others" "$nowhere"; do
    expect_stopped frontend backend "$source" "$(address backend)"
    expect_stopped frontend host "$source" "$(address host backend)"
  done
  expect_delivered frontend backend "$its" "$(address backend)"
  expect_delivered frontend host "$its" "$(address host backend)"
  expect_delivered backend host "$nowhere" "$(address host backend)" # no workload
}
in_both_families only_its_own

allow_sources() { # PREFIX...
  sed -i '/allowSpoofed/d' "$policy_dir/workload-frontend.yaml"
  echo "  allowSpoofedSourcePrefixes: [$(IFS=,; echo "$*")]" >>"$policy_dir/workload-frontend.yaml"
  reload
}
allow_sources 10.77.1.64/26 203.0.113.0/24 '"fd77:1::70/124"' '"2001:db8:5::/48"'
allowed_ones_too() {
  choose_addresses
  for source in "$its" "$near" "$nowhere"; do
    expect_delivered frontend backend "$source" "$(address backend)"
    expect_delivered frontend host "$source" "$(address host backend)"
  done
  expect_stopped frontend backend "$others" "$(address backend)"
  expect_stopped frontend host "$others" "$(address host backend)"
}
in_both_families allowed_ones_too

allow_sources 0.0.0.0/0 '"::/0"'
in_both_families everything_comes_through
