#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The guides for containers and for configuration management, followed to the letter, the second also with Ansible.
. "${0%/*}/lib.sh"
. "${0%/*}/guide-steps"

neighbour admin 1
neighbour stranger 2

# As podman makes them: a bridge, a container behind it, a published port.
ip link add podman0 address 02:77:00:00:00:88 type bridge
ip addr add 10.88.0.1/16 dev podman0
ip link set podman0 up
ip netns add box
ip link add veth0 type veth peer name eth0 netns box
ip link set veth0 master podman0 up
ip -n box addr add 10.88.0.2/16 dev eth0
ip -n box link set lo up
ip -n box link set eth0 up
ip -n box route add default via 10.88.0.1
nft -f - <<'END_OF_RULES'
table ip netavark {
  chain prerouting {
    type nat hook prerouting priority dstnat
    fib daddr type local tcp dport 8080 dnat to 10.88.0.2:80
  }
}
END_OF_RULES
serve box tcp 80 81
serve host tcp 9090 8080
serve stranger tcp 7070
serve stranger udp 53

follow containers.md "What there is"
cat >/etc/drywall/drywall.yaml <<'END_OF_CONFIG'
node: web1
END_OF_CONFIG
start_bus
guide_daemon
follow containers.md "Published ports, by policy of the host"
published() {
  expect_arrives admin host tcp 8080
  expect_denied stranger host tcp 8080
}
published
expect_arrives stranger host tcp 9090 # which the host itself answers

rm /etc/drywall/policy.d/containers.yaml
follow containers.md "A container as a workload"
expect "status knows the workload" grep -q "WorkloadEndpoint shop/web on podman0" "$work/out"
expect_arrives stranger host tcp 8080
expect_denied stranger 10.88.0.2 tcp 81
expect_arrives box 10.77.2.2 udp 53
expect_denied box 10.77.2.2 tcp 7070
expect_flow port=7070 action=deny

rmdir_policy_dir() { rm /etc/drywall/policy.d/* && rmdir /etc/drywall/policy.d; }
nft delete table ip netavark
rmdir_policy_dir
follow configuration-management.md "A directory that is exchanged"
expect_denied stranger host tcp 8080
expect_arrives stranger host tcp 9090
follow configuration-management.md "The next release"
# The section ends with the way back.
expect_denied stranger host tcp 8080
expect_arrives stranger host tcp 9090

if ! command -v ansible-playbook >/dev/null; then
  echo "not shown: the tasks for Ansible (ansible-core is not installed)"
  exit 0
fi
echo "-- Ansible"
play() { # VERSION
  cat >"$work/play.yml" <<END_OF_PLAY
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.import_tasks: $(realpath "$integration/../docs/guides/ansible/drywall.yml")
      vars: {drywall_policies: "$work/policies/", drywall_version: "$1"}
END_OF_PLAY
  ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_HOME="$work/ansible" ANSIBLE_LOCAL_TEMP="$work/ansible" \
    ANSIBLE_REMOTE_TEMP="$work/ansible" HOME="$work" ansible-playbook -i localhost, -e ansible_python_interpreter=/usr/bin/python3 \
    "$work/play.yml" >"$work/play.out" 2>&1
}
mkdir "$work/policies"
cp /etc/drywall/releases/2/web.yaml "$work/policies/"
rm -rf /etc/drywall/policy.d /etc/drywall/releases
mkdir /etc/drywall/policy.d
play first || fail "the play fails: $(cat "$work/play.out")"
expect "the first run changes something" grep -q "changed=[1-9].*failed=0" "$work/play.out"
expect_denied stranger host tcp 9090
play first || fail "the second run fails: $(cat "$work/play.out")"
expect "the second run changes nothing" grep -q "changed=0.*failed=0" "$work/play.out"
sed -i 's/9090/808O/' "$work/policies/web.yaml"
play broken && fail "a release with a mistake was deployed"
expect "the play shows the mistake" grep -q "808O" "$work/play.out"
expect_denied stranger host tcp 9090
