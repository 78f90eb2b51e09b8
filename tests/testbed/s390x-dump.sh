#!/bin/bash
# In the root: a protected image whose owner allows dumps is dumped, by the driver that CVM_DRIVER names: what the simulated
# guest has in its memory stands in the dump, until a secret forbids it; an image without the flag is refused.
set -euo pipefail
. "$(dirname "$0")/scene.sh"
tree=$(cd "$here/../.." && pwd)
packages=/opt/s390x/usr cross=/var/cache/cvmd-s390x$tree
marker=marker-$(cat /proc/sys/kernel/random/uuid)
trap end_processes EXIT

image() { # NAME OPTION...
        cvmctl image build --platform se --kernel $packages/lib/modules/*/vmlinuz --initrd initrd --owner-key owner.pem \
                --cmdline "console=ttysclp0 quiet panic=-1 $marker" --loader-dir $packages/share/s390-tools/pvimg \
                "${hosts[@]}" -q -o "$1.image" "${@:2}" >/dev/null
        cat >"$1.json" <<D
{"version": 1, "name": "$1", "platform": "secure-execution", "simulate": true, "memory": "512MiB", "vcpus": 1,
 "uuid": "$(cat /proc/sys/kernel/random/uuid)", "boot": {"kernel": "$work/$1.image"}}
D
        cvmctl binding make "$1.json" --owner-key owner.pem -q -o "$1.binding"
        expect 0 "$1 is running" cvmctl launch "$1.json" --owner-key owner.pem --binding "$1.binding"
}

start_bus
CVM_FAULT_POINT=dump-begun:3 start_daemon
cvmctl owner init --key owner.pem -q >owner
cvmctl host show --simulation-hosts -q >hosts.pem
cvmctl host show --simulation-root -q >root.pem
s390x-linux-gnu-strip -o cvm-agent "$cross/guest-agent/cvm-agent"
"$tree/guest-agent/make-initrd" /opt/s390x cvm-agent initrd $packages/bin/busybox
hosts=(--host-key-document hosts.pem --cert hosts.pem --root-ca root.pem --offline)

# Whose owner says nothing of dumps
image closed
expect 4 "CVM-DUMP-DENIED" cvmctl dump closed -o closed.core
[ ! -e closed.core ] || fault "a dump that was refused is there"
expect 0 "does not allow dumps" cvmctl show closed -o json
gone closed

# Whose owner allows them
(umask 077; head -c 32 /dev/urandom >cck)
image open --enable-dump --cck cck
[ "$(shown open dump)" = offered ] || fault "dump is $(shown open dump)"
cvmctl policy make open.json --binding open.binding --owner-key owner.pem "${hosts[@]}" -q -o policy
expect 0 "accepted" cvmctl attest open --policy policy --owner-key owner.pem --header open.image "${hosts[@]}" --save first
expect 0 "Dump would be taken now" cvmctl dump open --dry-run
expect 0 "SIMULATED: the dump has the guest's memory in the clear" cvmctl dump open -o open.core
[ "$(stat -c %a open.core)" = 600 ] || fault "others may read a dump: $(stat -c %a open.core)"
[ "$(stat -c %s open.core)" -gt $((512 << 20)) ] || fault "the dump has $(stat -c %s open.core) bytes"
python3 - open.core <<'P' || fault "the dump is no ELF core of s390x"
import struct, sys
head = open(sys.argv[1], "rb").read(64)
kind, machine = struct.unpack(">HH", head[16:20])
sys.exit(0 if head[:6] == b"\x7fELF\x02\x02" and (kind, machine) == (4, 22) else 1)
P
grep -qaF "$marker" open.core || fault "the dump has not the guest's memory"
[ "$(shown open state)" = running ] || fault "the guest is $(shown open state) after its dump"
[ -z "$(ls | grep '~$')" ] || fault "a side file is left: $(ls)"
expect 0 "accepted" cvmctl attest open --policy policy --owner-key owner.pem --header open.image "${hosts[@]}" --save second
expect 0 '"dump":"begun"' cvmctl events open --since 0 -o jsonl
cvmctl audit show -o jsonl >audit
grep -q Dump audit || fault "no row of the audit chain tells of it"

# A disk without room: nothing is left of it, and the guest goes on
mkdir small
mount -t tmpfs -o size=8M cvmd-test small
expect 9 "No space left on device" cvmctl dump open -o small/core
[ -z "$(ls -A small)" ] || fault "a dump that failed leaves $(ls -A small)"
[ "$(shown open state)" = running ] || fault "the guest is $(shown open state) after a dump that failed"
umount small

# The daemon dies as QEMU begins: the guest is found again, and runs when QEMU has written to the end
expect 9 "CVM-NO-DAEMON" cvmctl dump open -o lost.core
[ -z "$(ls | grep -E 'lost|~$')" ] || fault "a dump that was lost leaves $(ls | grep -E 'lost|~$')"
wait "$daemon_pid" 2>/dev/null || true
start_daemon
for _ in {1..100}; do # until QEMU has been heard, and has ended the dump
        cvmctl attest open --policy policy --owner-key owner.pem --header open.image "${hosts[@]}" --save third -q >/dev/null 2>&1 && break
done
expect 0 '"verified"' cvmctl show open -o json
[ "$(shown open state) $(shown open state_code)" = "running " ] || fault "found again it is $(shown open state)"

# A secret forbids dumps, until the next boot
printf hunter2 >password
cvmctl secret seal db-key --platform se --header open.image "${hosts[@]}" --in password --bundle third/bundle.json \
        --verdict third/verdict.json --owner-key owner.pem --cck cck --disable-dump -q -o sealed
expect 0 "" cvmctl secret put open sealed --verdict third/verdict.json
expect 4 "a secret that was added in this boot forbids dumps" cvmctl dump open -o open2.core
expect 0 "" cvmctl reset open
[ "$(shown open dump)" = offered ] || fault "after a reset dump is $(shown open dump)"
gone open
end_faults
