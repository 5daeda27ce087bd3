#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In a user namespace the buffer for evidence cannot grow over net.core.rmem_max: the daemon takes what it gets, says how
# much that is, and tells of packets all the same; what did not fit is counted.
in_user_namespace=yes
. "${0%/*}/lib.sh"

neighbour client 1
start_daemon
given_host_endpoint server if-client
given deny.yaml <<'END'
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: closed}
spec:
  selector: role == 'server'
  types: [Ingress]
  ingress:
  - {action: Deny, protocol: UDP, destination: {ports: ["1024:19999"]}}
  - {action: Deny, protocol: UDP, destination: {ports: ["20000:39999"]}}
  - {action: Deny, protocol: UDP, destination: {ports: ["40000:59999"]}}
END
granted=$(python3 -c '
import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 20)
print(s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF))')
evidence() { status_value "evidence.$1"; }
expect "status shows the buffer that the kernel granted" test "$(evidence receive_buffer)" = "$granted"
expect "that is less than was wanted" test "$granted" -lt $((64 << 20))
shown=$((granted / 1024))\ KiB
[ "$granted" -lt $((1 << 20)) ] || shown=$((granted >> 20))\ MiB
expect "for people too" grep -q "^evidence *NFLOG group 4242, receive buffer $shown\$" <<<"$(drywall status)"
in_both_families expect_denied client host udp 7000
in_both_families expect_flow action=deny port=7000 protocol=udp
expect "nothing is lost yet" test "$(evidence lost)" = 0

# Half as many again as it holds while nobody reads it: the kernel hands over 400 messages in 128 KiB.
cat >"$work/burst.py" <<'END'
# ADDRESS COUNT: so many datagrams, each of a flow of its own.
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    for i in range(int(sys.argv[2])):
        s.sendto(b"?", (sys.argv[1], 1024 + i % 58000))
END
family=4
kill -STOP "$daemon_pid"
in_namespace client python3 "$work/burst.py" "$(address host client)" $((granted / 131072 * 600))
sleep 0.3 # it gathers them for up to 100 ms
kill -CONT "$daemon_pid"
is_lost() { [ "$(evidence lost)" -gt 0 ]; }
in_both_families expect_denied client host udp 7001 # the next message tells how many were lost before it
expect "what was lost is counted" eventually 5 is_lost
expect "and so is the gap" test "$(evidence gaps)" -gt 0
lost=$(evidence lost)
in_both_families expect_flow action=deny port=7001 protocol=udp
expect "nothing is lost any more" test "$(evidence lost)" = "$lost"
