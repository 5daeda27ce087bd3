# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Installs what is missing and builds. Sourced by what a newcomer runs: integration/demo, integration/playground, tests/run.

export PATH="/usr/sbin:/usr/bin:/sbin:/bin:$PATH" # what the packages install, before what a user has put there

packages_to_build=(g++ cmake ninja-build pkg-config libyaml-cpp-dev libnftnl-dev libmnl-dev libnetfilter-log-dev
  libsdbus-c++-dev libsystemd-dev libsqlite3-dev libfmt-dev libexpected-dev libcli11-dev nlohmann-json3-dev libgtest-dev)
packages_to_run=(dbus-daemon iproute2 nftables python3)
packages_to_test=(clang-format shellcheck iptables mandoc zsh fish python3-dbus libglib2.0-bin systemd polkitd ansible-core
  openssh-client curl patch)
packages_to_package=(debhelper dpkg-dev mmdebstrap systemd-container lintian rpm rpmlint)
packages_for_vm=(qemu-system-x86 e2fsprogs)
packages_that_start_daemons=(firewalld ufw openssh-server) # tested beside; installed only where installing starts nothing
packages_to_fuzz=(clang libclang-rt-dev)

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# install_missing PACKAGE...: by apt-get, from the sources that this machine is configured with.
install_missing() {
  local missing=() package
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    echo "These packages are missing, and only root can install them: ${missing[*]}" >&2
    return 1
  fi
  echo "Installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  quietly apt-get -q update || return
  quietly apt-get -qy --no-install-recommends install "${missing[@]}"
}

# starts_nothing: true where apt-get does not start what it installs.
starts_nothing() { [ ! -d /run/systemd/system ]; }

# build_preset PRESET [TARGET...]: as CMakePresets.json says.
build_preset() {
  local preset=$1 launcher=()
  shift
  command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  quietly cmake --preset "$preset" "${launcher[@]}" || return
  quietly cmake --build --preset "$preset" "${@/#/--target=}"
}

# have_build: a release build in build/, unless DRYWALL_BUILD names another one, or lib.sh has begun and it is there.
have_build() {
  [ "${DRYWALL_SANDBOX:-}" != inside ] && [ -z "${DRYWALL_BUILD:-}" ] || return 0
  (
    cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
    install_missing "${packages_to_build[@]}" "${packages_to_run[@]}"
    [ -x build/drywalld ] || echo "Building; this takes a few minutes, once."
    build_preset release drywall drywalld
  )
}

# quietly COMMAND...: shows what it prints only if it fails.
quietly() {
  local log status=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 </dev/null || status=$?
  [ "$status" -eq 0 ] || {
    echo "FAILED: $*"
    tail -n 200 "$log"
  } >&2
  rm -f "$log"
  return "$status"
}
