#!/bin/bash
# A trust domain asks for quotes, through QEMU and quoting services of many kinds: see quotes-check.py
set -euo pipefail
. "$(dirname "$0")/lib.sh"
start_testbed

cp "$root/usr/share/ovmf/OVMF.inteltdx.ms.fd" OVMF.fd
make_qemu qemu "CVM_TESTBED_PLAYER=$work/player"
id() { head -c 48 /dev/zero | tr '\0' "$1" | base64 -w 0; }
td='{"qom-type": "tdx-guest", "id": "tdx0", "mrconfigid": "'$(id c)'", "mrowner": "'$(id o)'",
     "quote-generation-socket": {"type": "unix", "path": "'$work'/qgs.socket"}}'
/usr/bin/python3 "$testbed/quotes-check.py" "$work" ./qemu -nodefaults -no-user-config -display none -m 256 -cpu host -bios OVMF.fd \
        -machine q35,accel=kvm,kernel-irqchip=split,confidential-guest-support=tdx0,smm=off,hpet=off -object "$td" 2>&1 | tee said || faults=1
! grep -q '^testbed:' said || fault "the library does not know all calls of a trust domain that is played"
end_testbed
