#!/bin/bash
# In the root: an owner builds a protected image for a simulated host, which opens and runs it on an emulated machine of
# s390x, by the driver that CVM_DRIVER names. The guest's own agent answers; evidence, secret, resets, panic and end are as with
# the other technologies.
set -euo pipefail
. "$(dirname "$0")/scene.sh"
tree=$(cd "$here/../.." && pwd)
packages=/opt/s390x/usr cross=/var/cache/cvmd-s390x$tree
trap end_processes EXIT

trust() {
        shown guest "${1:-trust}"
}

expect_trust() {
        [ "$(trust)" = "$1" ] || fault "$2: trust is $(trust), not $1"
}

attest() { # DIRECTORY [OPTION...]
        expect 0 "accepted" cvmctl attest guest --policy policy --owner-key owner.pem --header image "${hosts[@]}" --save "$@"
}

# on_console WORDS: the guest, which talks to us, comes to say them
on_console() {
        local line
        while read -r -t 120 line <&"${COPROC[0]}"; do
                [[ $line != *"$1"* ]] || return 0
        done
        fault "no '$1' on the console"
}

start_bus
start_daemon

# The owner's image, for the hosts that this daemon simulates
cvmctl owner init --key owner.pem -q >owner
cvmctl host show --simulation-hosts -q >hosts.pem
cvmctl host show --simulation-root -q >root.pem
s390x-linux-gnu-strip -o cvm-agent "$cross/guest-agent/cvm-agent"
"$tree/guest-agent/make-initrd" /opt/s390x cvm-agent initrd $packages/bin/busybox
hosts=(--host-key-document hosts.pem --cert hosts.pem --root-ca root.pem --offline)
image() {
        cvmctl image build --platform se --kernel $packages/lib/modules/*/vmlinuz --loader-dir $packages/share/s390-tools/pvimg \
                "${hosts[@]}" "$@"
}
expect 0 '"kind":"initrd"' image --initrd initrd --cmdline "console=ttysclp0 quiet panic=-1" --owner-key owner.pem -o image

cat >guest.json <<D
{"version": 1, "name": "guest", "uuid": "$(cat /proc/sys/kernel/random/uuid)", "platform": "secure-execution", "simulate": true,
 "memory": "512MiB", "vcpus": 1, "required_secrets": ["db-password"], "boot": {"kernel": "$work/image"}, "console": "interactive"}
D
cvmctl binding make guest.json --owner-key owner.pem -q -o binding
expect 0 "guest is running" cvmctl launch guest.json --owner-key owner.pem --binding binding
coproc cvmctl console guest 2>&1
[ "$(shown guest driver)" = "${CVM_DRIVER:-qemu}" ] || fault "the driver is $(shown guest driver)"
expect 0 "secure-execution SIMULATED" cvmctl list
if [ "${CVM_DRIVER:-qemu}" = libvirt ]; then
        virsh -q -c qemu:///system list --name | grep -qx cvmd-guest || fault "virsh does not list the domain"
        cvmctl show guest --xml >given
        grep -qF "<type arch='s390x' machine='s390-ccw-virtio'>hvm</type>" given || fault "another machine: $(cat given)"
        ! grep -q launchSecurity given || fault "libvirt is asked for hardware"
fi
cvmctl policy make guest.json --binding binding --owner-key owner.pem "${hosts[@]}" -q -o policy
attest first
expect_trust verified "after the verdict"
printf hunter2 >password
cvmctl secret seal db-password --bundle first/bundle.json --verdict first/verdict.json --owner-key owner.pem --in password -q -o sealed
expect 0 "" cvmctl secret put guest sealed --verdict first/verdict.json --receipt receipt
expect 0 "" cvmctl secret receipt receipt --bundle first/bundle.json --secret sealed --owner-key owner.pem
expect_trust provisioned "after the receipt"

# One for the ultravisor's store, whose own word it is that it has just this
cvmctl secret seal db-key --platform se --header image "${hosts[@]}" --in password --bundle first/bundle.json \
        --verdict first/verdict.json --owner-key owner.pem --request request -q -o sealed-request
expect 0 "" cvmctl secret put guest sealed-request --verdict first/verdict.json
attest store --added request

# It starts itself again, on the word of who holds its console, and then its host does: each is another run, with another
# configuration id, that has to show itself anew
on_console "handed over"
boot=$(trust boot_id)
echo "reboot -f" >&"${COPROC[1]}"
until_event guest '"boot"' 2
[ "$(trust boot_id)" != "$boot" ] || fault "the guest's own reset is the same boot"
expect_trust unverified "at the guest's own reset"
boot=$(trust boot_id)
expect 0 "" cvmctl reset guest
[ "$(trust boot_id)" != "$boot" ] || fault "a reset is the same boot"
attest second
expect_trust verified "after a reset"
cmp -s first/bundle.json second/bundle.json && fault "two runs have one bundle"
expect 5 "" cvmctl secret put guest sealed --verdict second/verdict.json

# The agent says BYE, and the guest's shutdown ends the machine
expect 0 "" cvmctl stop guest
expect 0 "" cvmctl delete guest --record record
expect 0 "bye_checked" cvmctl record show record --bundle second/bundle.json

# A kernel that has nothing to run panics, and stops in a way that the machine sees
expect 0 '"kind":"kernel"' image --cmdline "console=ttysclp0 quiet" -o nothing
cat >crash.json <<D
{"version": 1, "name": "crash", "platform": "secure-execution", "simulate": true, "memory": "512MiB", "vcpus": 1,
 "boot": {"kernel": "$work/nothing"}}
D
expect 0 "crash is running" cvmctl launch crash.json
until_event crash CVM-GUEST-PANIC
expect 0 "the guest's kernel panicked" cvmctl show crash
[ "$(shown crash state)" = failed ] || fault "a guest that panicked is $(shown crash state)"
expect 0 "Unable to mount root fs" cvmctl logs crash
end_faults
