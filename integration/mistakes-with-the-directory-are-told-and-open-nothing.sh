#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Whoever makes a mistake with the policy directory is told in one message what is wrong and what to do, and what was in
# force stays: what was denied is denied, what was allowed goes on.
. "${0%/*}/lib.sh"
. "${0%/*}/told"

neighbour client 1
serve host tcp 8080 9090
good_policy | write_policy good.yaml
# As its unit starts it: without the right to read what is not root's.
start_daemon() {
  [ -S "$work/bus" ] || start_bus
  setpriv --bounding-set=-dac_override,-dac_read_search "$build/drywalld" --policy-dir "$policy_dir" \
    --state-dir "$work/state" --runtime-dir "$work/runtime" --node host >>"$work/daemon.log" 2>&1 &
  daemon_pid=$!
  eventually 20 daemon_answers || fail "drywalld did not start"
}

start_daemon
still_protected

chown 1234 "$policy_dir"
told "a directory of somebody else" foreign-owner "uid 1234|1234" chown
chown 0 "$policy_dir"
chmod 0777 "$policy_dir"
told "a directory that everybody may write" world-writable "every" "chmod o-w"
chmod 0755 "$policy_dir"
chmod 0666 "$policy_dir/good.yaml"
told "a file that everybody may write" world-writable "good.yaml" "chmod o-w"
chmod 0644 "$policy_dir/good.yaml"
mended "chmod"
chown 1234 "$policy_dir" && chmod 0700 "$policy_dir"
told "a directory that cannot be read" unreadable-directory "Permission denied" "chown|chmod"
chown 0 "$policy_dir" && chmod 0755 "$policy_dir"
mended "chmod"
chown 1234 "$policy_dir/good.yaml" && chmod 0600 "$policy_dir/good.yaml"
told "a file that cannot be read" unreadable-file "Permission denied" "chown|chmod"
chown 0 "$policy_dir/good.yaml" && chmod 0644 "$policy_dir/good.yaml"
mended "chmod"
mv "$policy_dir" "$policy_dir.away"
told "a missing directory" unreadable-directory "No such file" "mkdir"
ln -s "$policy_dir" "$policy_dir"
told "a directory that is a loop of links" unreadable-directory "symbolic links" "link"
rm "$policy_dir"
mv "$policy_dir.away" "$policy_dir"
mended "its return"
ln -s round.yaml "$policy_dir/round.yaml"
told "a file that is a loop of links" unreadable-file "symbolic links" "link"
rm "$policy_dir/round.yaml"
ln -s /nowhere/web.yaml "$policy_dir/nowhere.yaml"
told "a link that leads nowhere" unreadable-file "No such file" "link"
rm "$policy_dir/nowhere.yaml"
mkdir "$policy_dir/sub.yaml"
told "a directory called like a file" unreadable-file "directory" .
rmdir "$policy_dir/sub.yaml"
mended "its removal"

echo "-- all of it gone while the daemon starts anew"
kill "$daemon_pid"
wait "$daemon_pid" || true
mv "$policy_dir" "$policy_dir.away"
start_daemon
told "a missing directory at the start" unreadable-directory "No such file" "mkdir"
mv "$policy_dir.away" "$policy_dir"
mended "its return"
still_protected
