#!/bin/bash
# A guest's program behind the player, on the machine's real virtio-serial device: test-player.sh CVMCTL AGENT
set -euo pipefail
agent=$(realpath "$2")
. "$(dirname "$0")/lib.sh"
start_testbed

cp "$firmware" OVMF.fd
make_qemu qemu "CVM_TESTBED_PLAYER=$work/player"
snp_options
/usr/bin/python3 "$testbed/player-check.py" "$work" "$agent" ./qemu "${snp[@]}" -cpu EPYC-v4 -smp 2 -bios OVMF.fd 2>&1 | tee said || faults=1
! grep -q '^testbed:' said || fault "the library does not know all calls of a machine that is played"
end_testbed
