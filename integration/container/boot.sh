# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# A container that boots systemd, for tests of what is installed. Sourced.
#
#   container_root RELEASE DIR    a minimal Debian, made once and kept in DIR/RELEASE
#   container_start NAME ROOT     boots a fresh copy of ROOT as web1; its interface host0 is the host's ve-NAME
#   inside COMMAND...             runs a command in it
#   inside_online COMMAND...      likewise, with this machine's network: for apt-get
#   container_stop                ends it, and removes what it wrote
#
# It has namespaces of its own for everything; only `inside_online` sees the machine's network.

container_packages=systemd,systemd-sysv,libpam-systemd,dbus,nftables,udev,polkitd,iproute2,procps,ca-certificates,python3,openssh-server,sudo

container_sources() { # RELEASE: as this machine is configured, for another release
  local file=/etc/apt/sources.list.d/debian.sources main security
  if [ ! -e "$file" ]; then
    sed "s/$(. /etc/os-release && echo "$VERSION_CODENAME")/$1/g" /etc/apt/sources.list
    return
  fi
  main=$(awk '/^URIs:/ { print $2; exit }' "$file")
  security=$(awk '/^URIs:/ { last = $2 } END { print last }' "$file")
  local by=signed-by=/usr/share/keyrings/debian-archive-keyring.gpg
  printf 'deb [%s] %s %s main\n' "$by" "$main" "$1" "$by" "$main" "$1-updates" "$by" "$security" "$1-security"
}

# debian_root RELEASE ROOT PACKAGES [OPTION...]: made anew if it was made otherwise.
debian_root() {
  local root=$2 made="${*:3}"
  mkdir -p "$(dirname "$root")"
  (
    flock 9 # two tests may want it at a time
    [ "$(cat "$root.made" 2>/dev/null)" != "$made" ] || return 0
    rm -rf "$root" "$root.made"
    container_sources "$1" >"$root.list"
    mmdebstrap --quiet --variant=minbase --mode=root --skip=cleanup/apt/lists --include="$3" "${@:4}" "$1" "$root" "$root.list" ||
      return
    echo "$made" >"$root.made"
  ) 9>"$root.lock"
}

container_root() { debian_root "$1" "$2/$1" "$container_packages"; }

container_cgroups() { printf '%s\n' /sys/fs/cgroup/unified /sys/fs/cgroup/systemd /sys/fs/cgroup; }

# child_of PID: the youngest.
child_of() { awk '{ print $NF }' "/proc/$1/task/$1/children" 2>/dev/null; }

# container_leader: the container's process 1.
container_leader() {
  local nspawn pid
  nspawn=$(child_of "$container")
  pid=$(child_of "${nspawn:-none}")
  [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = systemd ] && echo "$pid"
}

container_is_up() {
  leader=$(container_leader) && [ -S "/proc/$leader/root/run/dbus/system_bus_socket" ]
}

container_start() {
  container_name=$1
  container_files=$(mktemp -d)
  mount -t tmpfs tmpfs "$container_files"
  mkdir "$container_files"/{upper,work,root}
  mount -t overlay overlay -o "lowerdir=$2,upperdir=$container_files/upper,workdir=$container_files/work" "$container_files/root"
  echo web1 >"$container_files/root/etc/hostname"
  printf '127.0.0.1 localhost\n127.0.1.1 web1\n' >"$container_files/root/etc/hosts"
  # A cgroup of its own: two containers would otherwise share the starter's.
  local propagation=()
  unshare --mount true 2>/dev/null || propagation=(--propagation unchanged)
  setsid unshare --mount "${propagation[@]}" bash -c '
    name=$1 root=$2
    for top in /sys/fs/cgroup/unified /sys/fs/cgroup/systemd /sys/fs/cgroup; do
      [ -e "$top/cgroup.procs" ] || continue
      mkdir -p "$top/$name" && echo $$ >"$top/$name/cgroup.procs" || true
    done
    # When a container reboots, nspawn removes what it has there, and does so only on a file system in memory.
    mkdir -p /run/systemd/nspawn && mount -t tmpfs tmpfs /run/systemd/nspawn
    reboots=133 # what nspawn ends with then; whoever started it is to start it again
    status=$reboots
    while [ "$status" = "$reboots" ]; do
      status=0
      SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet --directory="$root" --boot --register=no --keep-unit \
        --machine="$name" --network-veth --link-journal=no --resolv-conf=off --timezone=off --console=pipe || status=$?
    done
  ' _ "$1" "$container_files/root" </dev/null >"$container_files/console" 2>&1 &
  container=$!
  eventually 30 container_is_up || { tail -n 20 "$container_files/console" >&2; return 1; }
}

inside() {
  nsenter -t "$leader" -m -u -i -n -p -r -w env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root \
    SYSTEMD_PAGER= TERM=dumb "$@"
}

inside_online() {
  nsenter -t "$leader" -m -u -i -p -r -w env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root \
    SYSTEMD_PAGER= TERM=dumb DEBIAN_FRONTEND=noninteractive "$@"
}

container_stop() {
  [ -n "${container:-}" ] || return 0
  # The death of its process 1 is that of all others in it.
  # shellcheck disable=SC2046 # numbers, or nothing
  kill -KILL "$container" $(child_of "$container") $(container_leader) 2>/dev/null || true
  wait "$container" 2>/dev/null || true
  container=
  umount "$container_files/root" "$container_files" 2>/dev/null || umount -l "$container_files/root" "$container_files" || true
  rmdir "$container_files" || true
  local top
  container_cgroups | while read -r top; do
    [ -d "$top/$container_name" ] && find "$top/$container_name" -depth -type d -exec rmdir {} + 2>/dev/null
  done || true
}
