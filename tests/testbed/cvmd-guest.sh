#!/bin/bash
# In the root: a guest whose launch is the hardware's and whose agent is the real one, behind the player. Its evidence is
# signed under the simulation root over what the library measured, so it is launched as a simulated guest of the recorded host.
#       cvmd-guest.sh PLATFORM CBITPOS
# What the platforms differ in stands in guest-PLATFORM.sh.
set -euo pipefail
platform=$1 cbitpos=$2
. "$(dirname "$0")/scene.sh"
. "$here/guest-$platform.sh"
touch plays
record_host
start_scene
trap 'end_processes; kill $player $helper 2>/dev/null || true' EXIT
player= helper=

/usr/bin/python3 "$here/make-kernel.py" kernel
head -c 70000 /dev/urandom >initrd
cp "$firmware" OVMF.fd
cvmctl owner init --key owner.pem -q >owner

cat >guest.json <<D
{"version": 1, "name": "guest", "uuid": "$(cat /proc/sys/kernel/random/uuid)", "platform": "$platform", "simulate": true,
 "memory": "256MiB", "vcpus": 2, "firmware": "$work/OVMF.fd", "required_secrets": ["db-password"],
 "boot": {"kernel": "$work/kernel", "initrd": "$work/initrd", "cmdline": "quiet"}}
D

# The guest's processor and programs, for as long as its machine lives. What the guest's kernel would be told is the plan's.
play() {
        cvmctl launch guest.json --owner-key owner.pem --dry-run -q -o jsonl >plan
        printf '%s' "$(member plan cmdline)" | sed 's/".*//' >cmdline
        /usr/bin/python3 "$here/player.py" players/guest "${ports[@]}" "$here/first-boot-fails.sh" "$build/guest-agent/cvm-agent" \
                --channel fd:3 --tee "$tee" --cmdline cmdline --run /run/cvm >player.log 2>&1 &
        player=$!
}

trust() {
        cvmctl show guest -q -o jsonl >shown
        member shown "${1:-trust}"
}

expect_trust() {
        [ "$(trust)" = "$1" ] || fault "$2: trust is $(trust), not $1"
}

prepare_evidence
cvmctl measure predict guest.json --owner-key owner.pem -q -o json >prediction
cvmctl binding make guest.json --owner-key owner.pem -q -o binding
expect 0 "guest is running" cvmctl launch guest.json --owner-key owner.pem --binding binding
[ "$(of guest measurement)" = "$(member prediction measurement | head -n 1)" ] || fault "measured $(of guest measurement)"
cvmctl host show --simulation-root -q >root.pem

# The daemon is away when the agent begins, and finds both late. The first boot resets itself in the middle of a message.
end_daemon KILL
play
start_daemon --set "HostRoot=$work/host"

# Owner: evidence over what the library measured, a verdict, a secret, its receipt
cvmctl policy make --from prediction --binding binding --hosts any --min-tcb any --owner-key owner.pem \
        --simulation-root root.pem -q -o policy
expect 0 "accepted" cvmctl attest guest --policy policy --owner-key owner.pem --save first
expect_trust verified "after the verdict"
printf hunter2 >password
cvmctl secret seal db-password --bundle first/bundle.json --verdict first/verdict.json --owner-key owner.pem --in password -q -o sealed
expect 0 "" cvmctl secret put guest sealed --verdict first/verdict.json --receipt receipt
expect 0 "" cvmctl secret receipt receipt --bundle first/bundle.json --secret sealed --owner-key owner.pem
expect_trust provisioned "after the receipt"
[ "$(cat /run/cvm/secrets/db-password)" = hunter2 ] || fault "the guest has another secret"

# The longest secret there may be
head -c 262144 /dev/urandom >long
cvmctl secret seal long --bundle first/bundle.json --verdict first/verdict.json --owner-key owner.pem --in long -q -o sealed-long
expect 0 "" cvmctl secret put guest sealed-long --verdict first/verdict.json
cmp -s /run/cvm/secrets/long long || fault "the long secret is another one in the guest"

# The machine is built anew: another boot, measured again, with another agent; what was known of the first is over
boot=$(trust boot_id)
expect 0 "" cvmctl reset guest
[ "$(of guest launch)" = 3 ] || fault "launch $(of guest launch) after a reset"
[ "$(trust boot_id)" != "$boot" ] || fault "a reset is the same boot"
expect 0 "accepted" cvmctl attest guest --policy policy --owner-key owner.pem --save second
expect_trust verified "after a reset"
cmp -s first/bundle.json second/bundle.json && fault "two boots have one bundle"
expect 5 "" cvmctl secret put guest sealed --verdict second/verdict.json
cvmctl secret seal db-password --bundle second/bundle.json --verdict second/verdict.json --owner-key owner.pem --in password -q -o sealed
expect 0 "" cvmctl secret put guest sealed --verdict second/verdict.json
check_platform

# Stopped, it answers nothing; it goes on as if nothing had been
expect 0 "" cvmctl pause guest
cvmctl evidence challenge -q -o challenge
expect 8 "" cvmctl evidence get guest --challenge challenge -o bundle
expect 0 "" cvmctl resume guest
expect 0 "accepted" cvmctl attest guest --policy policy --owner-key owner.pem

# The agent says BYE, and the guest's shutdown ends the machine
expect 0 "" cvmctl stop guest
wait "$player" || fault "the player: $(cat player.log)"
player=
expect 0 "" cvmctl delete guest --record record
expect 0 "bye_checked" cvmctl record show record --bundle second/bundle.json
end_faults
