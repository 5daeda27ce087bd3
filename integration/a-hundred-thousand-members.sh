#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Sets of a hundred thousand members, single addresses or overlapping blocks, and sets of every address, in both
# families: their first, middle and last members are members, what lies just beside is not.
# alone: it measures how long a large set takes.
. "${0%/*}/lib.sh"

neighbour client 1
serve host tcp 8001 8002 8003 8004 8005
start_daemon
given_host_endpoint server if-client

python3 - "$work" <<'END'
import ipaddress, random, sys

random.seed(2)  # any, but each run the same
half = 50_000


def write(name, nets):
    with open(f"{sys.argv[1]}/{name}.yaml", "w") as file:
        print("apiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet", file=file)
        print(f"metadata: {{name: {name}, labels: {{set: {name}}}}}\nspec:\n  nets:", file=file)
        print(*(f"  - \"{net}\"" for net in random.sample(nets, len(nets))), sep="\n", file=file)


def block(base, length):
    return ipaddress.ip_network((ipaddress.ip_address(base), length), strict=False)


# 10.100.0.2, .4, .6 ...: every other address, so that no two make a range.
base4, base6 = int(ipaddress.ip_address("10.100.0.0")), int(ipaddress.ip_address("fd99::"))
singles = [ipaddress.ip_address(base + 2 * n) for base in (base4, base6) for n in range(1, half + 1)]
write("singles", singles)

# Blocks of many lengths within 10.128.0.0/9 and fd98::/40, half of them around or within another.
space4, space6 = int(ipaddress.ip_address("10.128.0.0")), int(ipaddress.ip_address("fd98::"))


def overlapping_blocks(space, free_bits, lengths):
    found = []
    for n in range(half):
        base = int(random.choice(found).network_address) if n % 2 else space + random.getrandbits(free_bits)
        found.append(block(base, random.choice(lengths)))
    return found


blocks = overlapping_blocks(space4, 23, range(24, 33)) + overlapping_blocks(space6, 88, range(56, 129))
write("blocks", blocks)

write("everything", ["0.0.0.0/0", "::/0", "10.77.1.0/24", "fd77::/16"])
write("halves", ["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"])


def beside(nets):
    """For a few merged ranges: the last address before, the first, the last, the first behind; and their membership."""
    merged = []
    for net in sorted(ipaddress.collapse_addresses(nets)):
        first, last = int(net.network_address), int(net.broadcast_address)
        if merged and merged[-1][1] + 1 == first:
            merged[-1][1] = last
        else:
            merged.append([first, last])
    address = type(nets[0].network_address)
    for first, last in (merged[0], merged[len(merged) // 2], merged[-1]):
        yield from ((address(first - 1), "no"), (address(first), "yes"))
        yield from ((address(last), "yes"), (address(last + 1), "no"))


with open(f"{sys.argv[1]}/probes", "w") as probes:
    for first in (0, half):
        mine = singles[first : first + half]
        for n in (0, half // 2, half - 1):
            print("singles", mine[n], "yes", file=probes)
            print("singles", mine[n] - 1, "no", file=probes)
            print("singles", mine[n] + 1, "no", file=probes)
        for address, member in beside(blocks[first : first + half]):
            print("blocks", address, member, file=probes)
END

ip route add default via 10.77.1.2
ip -6 route add default via fd77:1::2
strangers=(1.0.0.1 223.255.255.254 2001:db8::1 8000::1)
while read -r _ address _; do ip -n client addr replace "$address" dev eth0; done <"$work/probes"
for address in "${strangers[@]}"; do ip -n client addr add "$address" dev eth0; done

policy() { # KIND
  cat <<END
apiVersion: projectcalico.org/v3
kind: $1
metadata: {name: members}
spec:
  selector: role == 'server'
  types: [Ingress]
  ingress:
  - {action: Allow, protocol: TCP, source: {selector: set == 'singles'}, destination: {ports: [8001]}}
  - {action: Allow, protocol: TCP, source: {selector: set == 'blocks'}, destination: {ports: [8002]}}
  - {action: Allow, protocol: TCP, source: {selector: set == 'everything'}, destination: {ports: [8003]}}
  - {action: Allow, protocol: TCP, source: {notSelector: set == 'everything'}, destination: {ports: [8004]}}
  - {action: Allow, protocol: TCP, source: {selector: set == 'halves'}, destination: {ports: [8005]}}
END
}
for set in everything halves; do write_policy "$set.yaml" <"$work/$set.yaml"; done
policy GlobalNetworkPolicy | given policy.yaml
given_large singles.yaml "a hundred thousand single addresses" <"$work/singles.yaml"
given_large blocks.yaml "a hundred thousand overlapping blocks" <"$work/blocks.yaml"

# expect_answers PORT ADDRESS yes|no...: what these sources get, all at once.
expect_answers() {
  local port=$1 family sources
  shift
  printf '%s %s\n' "$@" | sort >"$work/expected"
  for family in 4 6; do
    mapfile -t sources < <(awk -v family="$family" '($1 ~ /:/) == (family == 6) { print $1 }' "$work/expected")
    in_namespace client python3 "$integration/traffic.py" reach_from "$(address host client)" "$port" 1 "${sources[@]}"
  done | sort >"$work/answers"
  diff "$work/expected" "$work/answers" || fail "port $port: expected <, got >"
  passed "port $port answers $(grep -c yes "$work/answers") sources and no other, of $(wc -l <"$work/answers")"
}
probes_of() { awk -v set="$1" '$1 == set { print $2, $3 }' "$work/probes"; }
all_strangers() { printf "%s $1 " "${strangers[@]}" 10.77.1.2 fd77:1::2; }

# shellcheck disable=SC2046 # words are meant
members_only() {
  expect_answers 8001 $(probes_of singles) $(all_strangers no)
  expect_answers 8002 $(probes_of blocks) $(all_strangers no)
  expect_answers 8003 $(all_strangers yes)
  expect_answers 8004 $(all_strangers no)
  expect_answers 8005 $(all_strangers yes)
}
members_only

read -r member _ < <(probes_of singles)
grep -v "\"$member\"" "$work/singles.yaml" | given_large singles.yaml "one address of a hundred thousand removed"
expect_answers 8001 "$member" no
given_large singles.yaml "one address of a hundred thousand added" <"$work/singles.yaml"
expect_answers 8001 "$member" yes

policy StagedGlobalNetworkPolicy | given_large policy.yaml "the same sets, staged"
# shellcheck disable=SC2046
expect_answers 8001 $(probes_of singles | sed 's/ no/ yes/')
expect_flow action=allow pending=would-allow source=singles port=8001 packets=6
expect_flow action=allow pending=would-deny source="$(probes_of singles | awk '$2 == "no" { print $1; exit }')" port=8001 packets=12
