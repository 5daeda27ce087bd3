# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# A booted system to install the package on, and a neighbour at the other end of its cable. Sourced with the arguments
# `[RELEASE [DEB]]`: the Debian release (bookworm, trixie; default: this machine's), and the package (default: made of
# what DRYWALL_BUILD, or build/, has compiled, for this machine's release).
#
#   host_start            boots it as 10.77.9.1, the neighbour is 10.77.9.2; /etc/watch.nft is loaded before its network is up
#   apt_get ARGUMENTS...  in it, with what was downloaded before
#   install_package       with what it depends on
#   reboot                and waits until it is up again
#   log_in USER COMMAND   from the neighbour, by ssh and key, as root or admin (who may sudo)
#   can_log_in
#   fail, skip, and what watch.sh has

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
this_release=$(. /etc/os-release && echo "$VERSION_CODENAME")
release=${1:-$this_release}
build=$(realpath -m "${DRYWALL_BUILD:-$here/../build}")
roots=${DRYWALL_ROOTS:-$build/roots}
. "$here/container/boot.sh"
. "$here/container/watch.sh"

skip() { echo "$*" && exit 77; }
fail() {
  {
    echo "FAILED: $*"
    inside systemctl --no-pager --lines=20 status drywalld drywall-boot 2>&1 | tail -n 60 || true
    inside nft list ruleset 2>&1 | head -n 60 || true
    inside journalctl --no-pager -n 40 2>&1 || true
    tail -n 20 "$container_files/console"
  } >&2
  exit 1
}

[ "$(id -u)" -eq 0 ] || skip "only root can boot a container"
for program in mmdebstrap systemd-nspawn dpkg-buildpackage ssh curl; do
  command -v "$program" >/dev/null || skip "$program is not installed"
done
work=$(mktemp -d)
name=dw$$ # of the container
neighbour=drywall-test-$$ background=()
end() {
  container_stop
  kill "${background[@]}" 2>/dev/null || true
  ip netns delete "$neighbour" 2>/dev/null || true
  rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

container_root "$release" "$roots" || skip "mmdebstrap cannot make a $release here"
if [ -n "${2:-}" ]; then
  cp "$2" "$work/"
else
  [ "$release" = "$this_release" ] || skip "a package for $release must be made there: name it"
  DRYWALL_BUILT=$build "$here/../packaging/build-deb" "$work/deb" >"$work/build.log" 2>&1 || {
    cat "$work/build.log" >&2
    exit 1
  }
  cp "$work"/deb/drywall_*.deb "$work/"
fi
deb=$(cd "$work" && echo drywall_*.deb)

# --- the neighbour ------------------------------------------------------------------------------------------------------

# The container's end of the cable is made anew when it boots, and with it the neighbour's.
plug_in() { # as long as the test runs
  while :; do
    if [ -e "/sys/class/net/ve-$name" ] && ip link set "ve-$name" netns "$neighbour"; then
      ip -n "$neighbour" addr add 10.77.9.2/24 dev "ve-$name"
      ip -n "$neighbour" link set "ve-$name" up
    fi
    sleep 0.02
  done
}

at_neighbour() { ip netns exec "$neighbour" "$@"; }

ssh_words() { # USER: of the command line, in $ssh
  ssh=(ssh -q -F none -i "$work/key" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null
    -o ConnectTimeout="${patience:-5}" "$1@10.77.9.1")
}
log_in() {
  local ssh
  ssh_words "$1"
  shift
  at_neighbour "${ssh[@]}" "$*" </dev/null
}
can_log_in() { patience=1 log_in root true; }
cannot_log_in() { ! can_log_in; }

# --- the host -----------------------------------------------------------------------------------------------------------

let_in_by_key() {
  ssh-keygen -q -t ed25519 -N '' -f "$work/key"
  inside useradd --create-home --shell /bin/bash admin
  echo 'admin ALL=(ALL) NOPASSWD: ALL' >"$container_files/root/etc/sudoers.d/admin"
  local home
  for home in root home/admin; do
    mkdir -p "$container_files/root/$home/.ssh"
    cp "$work/key.pub" "$container_files/root/$home/.ssh/authorized_keys"
  done
  inside chown -R admin: /home/admin/.ssh
}

host_start() {
  ip netns add "$neighbour"
  ip -n "$neighbour" link set lo up
  plug_in >/dev/null 2>&1 &
  background+=($!)
  container_start "$name" "$roots/$release" || skip "systemd-nspawn cannot boot a container here"
  cp "$here/container/test-network.service" "$container_files/root/etc/systemd/system/"
  [ ! -e "$work/watch.nft" ] || cp "$work/watch.nft" "$container_files/root/etc/watch.nft"
  inside systemctl daemon-reload
  inside systemctl enable --quiet --now test-network
  let_in_by_key
}

reboot() {
  local old=$leader
  inside systemctl reboot || true
  eventually 30 eval "container_is_up && [ \"\$leader\" != $old ]" || fail "it does not reboot"
  eventually 10 inside systemctl is-active --quiet test-network || fail "the network does not come up"
}

# The machine's network is for downloads alone: what a package does with the kernel's rules it does in the container.
apt_get() {
  inside env DEBIAN_FRONTEND=noninteractive apt-get -qy "$@" >"$work/apt.log" 2>&1 || fail "apt-get $*: $(cat "$work/apt.log")"
}

# download PACKAGE...: what apt-get will install, and keeps it for the next test.
download() {
  local kept=$roots/$release.debs archives=$container_files/root/var/cache/apt/archives
  get() { inside_online apt-get install -qy --download-only "$@" >"$work/apt.log" 2>&1; }
  mkdir -p "$kept"
  find "$kept" -name '*.deb' -exec cp -t "$archives" {} +
  get "$@" || {
    inside_online apt-get update -qq >"$work/apt.log" 2>&1 || skip "apt-get update does not work here"
    get "$@" || fail "no download: $(cat "$work/apt.log")"
  }
  (flock 9 && find "$archives" -name '*.deb' -exec cp -u -t "$kept" {} +) 9>"$kept.lock"
}

install_package() {
  cp "$work/$deb" "$container_files/root/root/"
  download "/root/$deb"
  apt_get install "/root/$deb"
}
